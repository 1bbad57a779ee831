"""With a directory the live account decides, and only tokens that passed ever reach it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tickctl.core.secret import Secret
from tickctl.core.tokens import ConfirmationSource, Denial, Reason, TokenVerifier, UserState
from tickctl.errors import ConfigurationError, CredentialsRefusedError, UnreachableError

MakeVerifier = Callable[..., TokenVerifier]


class Directory:
    """Answers as told, and remembers what it was asked."""

    source = ConfirmationSource.AUTH_SERVER

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, Secret]] = []

    def lookup(self, subject: str, session_id: str, token: Secret) -> UserState | Denial:
        """Return or raise the answer."""
        self.asked.append((subject, session_id, token))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def row(forge: Any, now: int) -> UserState:
    """The row of the forge's user, in good standing."""
    return UserState(
        user_id=forge.claims()["sub"],
        email="ada@example.com",
        email_confirmed_at=now - 1000.0,
        banned_until=None,
        deleted_at=None,
        is_anonymous=False,
        session_active=True,
    )


def test_directory_confirms(forge: Any, row: UserState, make_verifier: MakeVerifier, now: int) -> None:
    """What no claim says, the row does; everything is checked then."""
    directory = Directory(row)
    token = forge.token()
    verdict = make_verifier(directory=directory, confirmed_claim=()).verify(token, now)
    assert verdict.valid
    assert verdict.email_confirmed is True
    assert verdict.confirmation_source is ConfirmationSource.AUTH_SERVER
    assert verdict.not_checked == ()
    assert directory.asked == [(forge.claims()["sub"], forge.claims()["session_id"], Secret(token))]


def test_directory_is_shown_the_token_itself(forge: Any, row: UserState, make_verifier: MakeVerifier, now: int) -> None:
    """As the Auth server needs it, wrapped as a secret."""
    directory = Directory(row)
    token = forge.token()
    make_verifier(directory=directory).verify(token.encode(), now)
    assert directory.asked[0][2] == Secret(token)


REFUSALS = [
    ({"deleted_at": 1.0}, Reason.USER_DELETED, "deletion"),
    ({"deleted_at": 4e9}, Reason.USER_DELETED, "deletion"),
    ({"banned_until": 1_800_000_001.0}, Reason.USER_BANNED, "ban"),
    ({"banned_until": float("nan")}, Reason.USER_BANNED, "ban"),
    ({"session_active": False}, Reason.SESSION_REVOKED, "session"),
    ({"is_anonymous": True}, Reason.ANONYMOUS, "anonymity"),
    ({"email_confirmed_at": None}, Reason.EMAIL_NOT_CONFIRMED, "email"),
    ({"email": None}, Reason.EMAIL_NOT_CONFIRMED, "email"),
]


@pytest.mark.parametrize(("change", "reason", "check"), REFUSALS, ids=str)
@pytest.mark.parametrize("claim", [(), ("app_metadata", "email_confirmed")], ids=["by row", "by claim"])
def test_row_refuses(
    change: dict[str, Any],
    reason: Reason,
    check: str,
    claim: tuple[str, ...],
    forge: Any,
    row: UserState,
    make_verifier: MakeVerifier,
    now: int,
) -> None:
    """Each state of the account, whatever the claim says, fails its own check."""
    directory = Directory(replace(row, **change))
    verdict = make_verifier(directory=directory, confirmed_claim=claim).verify(forge.token(), now)
    assert verdict.reason is reason
    assert [c.name for c in verdict.checks if c.result == "fail"] == [check]


def test_row_refusals_come_in_the_order_of_the_database(
    forge: Any, row: UserState, make_verifier: MakeVerifier, now: int
) -> None:
    """Deleted, banned, session, anonymous, e-mail: as the SQL functions decide."""
    for change, reason, _ in reversed(REFUSALS):
        row = replace(row, **change)
        assert make_verifier(directory=Directory(row)).verify(forge.token(), now).reason is reason


def test_past_ban_is_over(forge: Any, row: UserState, make_verifier: MakeVerifier, now: int) -> None:
    """At the very second at which it ends."""
    assert make_verifier(directory=Directory(replace(row, banned_until=float(now)))).verify(forge.token(), now).valid


def test_row_s_address_wins(forge: Any, row: UserState, make_verifier: MakeVerifier, now: int) -> None:
    """The token may be older than the last change of address."""
    verifier = make_verifier(directory=Directory(replace(row, email="new@example.com")))
    assert verifier.verify(forge.token(), now).email == "new@example.com"


def test_agreeing_claim_stays_the_source(forge: Any, row: UserState, make_verifier: MakeVerifier, now: int) -> None:
    """The claim comes first; where the row contradicts it, the row is the source."""
    agreed = make_verifier(directory=Directory(row)).verify(forge.token(), now)
    assert agreed.confirmation_source is ConfirmationSource.CLAIM
    contradicted = make_verifier(directory=Directory(replace(row, email_confirmed_at=None))).verify(forge.token(), now)
    assert contradicted.confirmation_source is ConfirmationSource.AUTH_SERVER
    assert contradicted.email_confirmed is False


def test_session_that_was_not_looked_up_is_said(
    forge: Any, row: UserState, make_verifier: MakeVerifier, now: int
) -> None:
    """A directory without sessions answers the rest."""
    verdict = make_verifier(directory=Directory(replace(row, session_active=None))).verify(forge.token(), now)
    assert verdict.valid
    assert verdict.not_checked == ("session",)


def test_options_hold_for_the_row(forge: Any, row: UserState, make_verifier: MakeVerifier, now: int) -> None:
    """Anonymous or unconfirmed users who are allowed are not refused by the row either."""
    row = replace(row, is_anonymous=True, email=None, email_confirmed_at=None)
    verifier = make_verifier(directory=Directory(row), allow_anonymous=True, require_confirmed=False)
    verdict = verifier.verify(forge.token(app_metadata={}), now)
    assert verdict.valid
    assert verdict.email_confirmed is False
    assert {"anonymity", "email"} == set(verdict.not_checked)


@pytest.mark.parametrize(
    ("denial", "reason"),
    [
        (Denial.SESSION_NOT_FOUND, Reason.SESSION_REVOKED),
        (Denial.USER_BANNED, Reason.USER_BANNED),
        (Denial.USER_NOT_FOUND, Reason.USER_DELETED),
        (Denial.BAD_JWT, Reason.BAD_SIGNATURE),
    ],
)
def test_denials_are_verdicts(
    denial: Denial, reason: Reason, forge: Any, make_verifier: MakeVerifier, now: int
) -> None:
    """The directory's own no is a no; other checks that it would have made are not claimed to have passed."""
    verdict = make_verifier(directory=Directory(denial)).verify(forge.token(), now)
    assert verdict.reason is reason
    passed = {check.name for check in verdict.checks if check.result == "pass"}
    assert not {"deletion", "ban", "session"} & passed


def test_denied_token_within_the_leeway_has_expired(forge: Any, make_verifier: MakeVerifier, now: int) -> None:
    """Auth has no leeway, and says bad_jwt for it."""
    verifier = make_verifier(directory=Directory(Denial.BAD_JWT))
    assert verifier.verify(forge.token(exp=now), now).reason is Reason.EXPIRED
    assert verifier.verify(forge.token(exp=now + 1), now).reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "error",
    [UnreachableError("time-out", hint="wait"), CredentialsRefusedError("no"), ConfigurationError("not https")],
    ids=lambda error: error.code,
)
@pytest.mark.parametrize("claim", [(), ("app_metadata", "email_confirmed")], ids=["by row", "by claim"])
def test_directory_that_can_t_tell_admits_nobody(
    error: Exception, claim: tuple[str, ...], forge: Any, make_verifier: MakeVerifier, now: int
) -> None:
    """Not even those whom a claim calls confirmed: their session may have ended."""
    verdict = make_verifier(directory=Directory(error), confirmed_claim=claim).verify(forge.token(), now)
    assert verdict.reason is Reason.UNREACHABLE
    assert verdict.cannot_tell
    assert {"deletion", "ban", "session"} <= set(verdict.not_checked)
    assert verdict.subject == forge.claims()["sub"]


def test_answer_about_another_user_is_a_cannot_tell(
    forge: Any, row: UserState, make_verifier: MakeVerifier, now: int
) -> None:
    """A mixed-up answer says nothing about this user."""
    other = replace(row, user_id="11111111-2222-4333-8444-555555555555")
    verdict = make_verifier(directory=Directory(other)).verify(forge.token(), now)
    assert verdict.reason is Reason.UNREACHABLE
    assert verdict.email == "ada@example.com"


@pytest.mark.parametrize(
    "build",
    [
        lambda forge, now: "rubbish",
        lambda forge, now: forge.resigned(forge.token(), bytes(64)),
        lambda forge, now: forge.token(header={"kid": "unknown"}),
        lambda forge, now: forge.token(exp=now - 100),
        lambda forge, now: forge.token(aud="other"),
        lambda forge, now: forge.token(role="anon"),
        lambda forge, now: forge.token(app_metadata={"email_confirmed": False}),
        lambda forge, now: "sb_secret_abc",
    ],
)
def test_token_that_did_not_pass_never_leaves_the_machine(
    build: Callable[[Any, int], str], forge: Any, row: UserState, make_verifier: MakeVerifier, now: int
) -> None:
    """The directory is asked about nothing unverified."""
    directory = Directory(row)
    assert not make_verifier(directory=directory).verify(build(forge, now), now).valid
    assert directory.asked == []


def test_answers_are_never_remembered(forge: Any, row: UserState, make_verifier: MakeVerifier, now: int) -> None:
    """Log-out takes effect at the next request, and so does coming back."""
    directory = Directory(row)
    verifier = make_verifier(directory=directory)
    token = forge.token()
    assert verifier.verify(token, now).valid
    directory.answer = Denial.SESSION_NOT_FOUND
    assert verifier.verify(token, now).reason is Reason.SESSION_REVOKED
    directory.answer = UnreachableError("down")
    assert verifier.verify(token, now).reason is Reason.UNREACHABLE
    directory.answer = row
    assert verifier.verify(token, now).valid
    assert len(directory.asked) == 4
