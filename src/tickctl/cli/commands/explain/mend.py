"""What would change the gateway's answer: one command if there is one, and a sentence."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tickctl.cli.console.output import rfc3339
from tickctl.core.quota.limits_csv import LARGEST_LIMIT

if TYPE_CHECKING:
    from tickctl.cli.commands.explain.steps import Explanation
    from tickctl.core.quota import Consumption
    from tickctl.core.tokens import Verdict

# An address that no shell and no option parser takes for something else.
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+")
_COMMAND: Final = re.compile(r"[`'](tickctl [^`']+)[`']")
_SIGN_IN: Final = "the user must sign in again, or refresh the session"
_HINTS: Final[Mapping[str, str]] = {
    "expired": _SIGN_IN,
    "session_revoked": _SIGN_IN,
    "user_banned": "an administrator can lift the ban in Supabase Auth",
    "user_deleted": "the account was deleted: the user would have to sign up again",
    "anonymous": "the user must link an e-mail address to the account and confirm it",
    "email_not_confirmed": "the user must follow the link in the confirmation e-mail, and then sign in again",
    "invalid_ticks": "ask for a number of ticks in that range",
    "unreachable": "the gateway lets nobody through until this is mended; 'tickctl doctor' looks further",
}


@dataclass(frozen=True, slots=True)
class Mend:
    """What to do; both are `None` where nothing is to be done."""

    command: str | None
    hint: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the request is of, as far as that is known."""

    user_id: str | None = None
    email: str | None = None

    @classmethod
    def of_verdict(cls, verdict: "Verdict | None") -> "Person":
        """Return whom a token is of, if its signature passed."""
        return cls() if verdict is None else cls(verdict.subject, verdict.email)

    @property
    def argument(self) -> str | None:
        """How to name the user in a command: as an address if it can't be mistaken."""
        if self.email and _PLAIN.fullmatch(self.email):
            return self.email
        return shlex.quote(self.user_id) if self.user_id else None


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is to know besides the explanation.

    Attributes:
        ticks: what was asked for.
        local: whether it is about the embedded database.
        person: whom the request is of.
        options: what has to stand in each command that is shown, such as ` --backend local`.
        accepted_elsewhere: whether the Auth server takes a token whose signature is refused here; `None` if it
            wasn't asked or did not say.
    """

    ticks: int
    local: bool
    person: Person = Person()
    options: str = ""
    accepted_elsewhere: bool | None = None


def mend(explanation: "Explanation", situation: Situation) -> Mend:
    """Return what would change the answer."""
    code = explanation.code
    if code == "bad_signature":
        return _signature(situation)
    if code is None:
        return Mend(None, _what_is_missing(explanation))
    return Mend(_command(code, explanation, situation), _hint(code, explanation))


def _command(code: str, explanation: "Explanation", situation: Situation) -> str | None:
    user = situation.person.argument
    match code:
        case "unreachable":
            match = _COMMAND.search(explanation.hint or "")
            return match[1] if match else None
        case "expired" | "session_revoked" if user and situation.local:
            return f"tickctl local token {user}"
        case "email_not_confirmed" if user and not situation.local:
            return f"tickctl users resend-confirmation {user}{situation.options}"
        case "cost_exceeds_limit" | "quota_exhausted" if user and explanation.consumption:
            return _more_ticks(explanation.consumption, user, situation)
    return None


def _hint(code: str, explanation: "Explanation") -> str | None:
    if code == "quota_exhausted" and explanation.consumption:
        return f"or wait until {rfc3339(explanation.consumption.resets_at)}, when the day ends"
    if code == "cost_exceeds_limit" and explanation.consumption:
        blocked = explanation.consumption.daily_tick_limit == 0
        return "the user is blocked: the limit is 0" if blocked else "or ask for fewer ticks at once"
    of_verdict = explanation.verdict.hint if explanation.verdict and code != "granted" else None
    return explanation.hint or _HINTS.get(code) or of_verdict


def _more_ticks(day: "Consumption", user: str, situation: Situation) -> str:
    """Return the command after which the request would be granted."""
    ticks, limit = situation.ticks, day.daily_tick_limit or 0
    missing = day.ticks_used + ticks - limit - day.ticks_granted
    if day.decision == "quota_exhausted" and missing <= LARGEST_LIMIT:
        return f"tickctl quota grant {user} {missing}{situation.options}"
    # Also enough tomorrow, when nothing is granted any more.
    needed = max(ticks, day.ticks_used + ticks - day.ticks_granted)
    return f"tickctl quota set {user} {needed if needed <= LARGEST_LIMIT else 'unlimited'}{situation.options}"


def _signature(situation: Situation) -> Mend:
    match situation.accepted_elsewhere:
        case True:
            hint = (
                "the project's Auth server accepts this token, so the keys here are not the project's: correct"
                " SUPABASE_JWT_SECRET (or SUPABASE_JWKS), and push it to where the gateway runs"
            )
            return Mend("tickctl secrets push", hint)
        case False:
            return Mend(None, "the Auth server refuses the token as well: it was changed, or is another project's")
    return Mend(
        None, "either SUPABASE_JWT_SECRET is not the project's, or the token was changed or comes from another project"
    )


def _what_is_missing(explanation: "Explanation") -> str:
    if explanation.verdict is not None and explanation.verdict.cannot_tell:
        return "without --offline, the project's keys, its database and its Auth server are asked"
    return "without --offline, the database is asked"
