"""`tickctl explain`: what would the gateway answer to this request, and why?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.commands.explain.mend import Person, Situation, mend
from tickctl.cli.commands.explain.show import Answer, show
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.run import BackendName, IdentityName, Run, command
from tickctl.cli.open.backend import choose
from tickctl.cli.open.gateway import Sources, open_reader, open_sources
from tickctl.cli.open.tokens import open_tokens, parse_time
from tickctl.errors import InvalidInputError, TickctlError

if TYPE_CHECKING:
    from tickctl.cli.commands.explain.steps import Explanation


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "explain",
        backend=True,
        examples="pbpaste | tickctl explain - --ticks 5\ntickctl explain --file token.txt --json\n"
        "tickctl explain --user user@example.com --ticks 100",
    )(explain)


def explain(
    run: Run,
    token: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOKEN|-]",
            help="The access token, with 'Bearer' before it or without; '-' reads it from standard input (better).",
        ),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the token from this file.")] = None,
    ticks: Annotated[int, typer.Option("--ticks", metavar="N", help="The max_ticks that the request asks for.")] = 1,
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="USER", help="Without a token: a request of this user, who is signed in; for operators."
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Judge the token as of this time: RFC 3339, or seconds since 1970."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody: judge the token alone.")] = False,
) -> ExitCode:
    """Explain how the gateway would respond to a request.

    It takes the gateway's own steps, and no ticks: header, signature, claims, ticks, account, session, confirmation and
    quota. At the end come the answer, and the command that would change it, if there is one.

    Nothing is written, started or renewed. Exit code 0 is allowed, 1 rejected, 5 cannot tell.
    """
    if run.settings.allow_unconfirmed:
        run.output.warning("SUPABASE_ALLOW_UNCONFIRMED lets users in whose e-mail is not confirmed")
    if user is not None:
        if token or file or at or offline:
            raise InvalidInputError("--user stands in the place of a token", hint="leave the token, or --user, out")
        person, explanation, accepted = *_of_user(run, user, ticks), None
    elif run.identity is not IdentityName.AUTO:
        raise InvalidInputError("a token is explained with its user's rights", hint="leave --as out, or give --user")
    else:
        explanation, accepted = _of_token(run, token, file, ticks, parse_time(at) if at else None, offline=offline)
        person = Person.of_verdict(explanation.verdict)
    local = choose(run.settings, run.backend) is BackendName.LOCAL
    options = "" if run.backend is BackendName.AUTO else f" --backend {run.backend}"
    remedy = mend(explanation, Situation(ticks, local, person, options, accepted))
    document = Answer(explanation, remedy, person, ticks, confirms=not run.settings.allow_unconfirmed)
    if run.json:
        run.output.document(document.json())
    else:
        show(run, document)
    if explanation.admitted is None:
        return ExitCode.CANNOT_TELL
    return ExitCode.YES if explanation.admitted else ExitCode.NO


def _of_token(
    run: Run, token: str | None, file: Path | None, ticks: int, at: float | None, *, offline: bool
) -> tuple["Explanation", bool | None]:
    """Explain a token; tell as well whether the Auth server accepts one whose signature is refused here."""
    from tickctl.cli.commands.explain.steps import Explainer

    with open_tokens(run, token, file, batch=False) as tokens, open_sources(run, offline=offline) as sources:
        text = next(tokens)
        explanation = Explainer(sources.keys, sources.policy, sources.functions).of_token(text, ticks, at=at)
        accepted = _accepted_elsewhere(sources, text) if explanation.code == "bad_signature" else None
        return explanation, accepted


def _accepted_elsewhere(sources: Sources, text: str) -> bool | None:
    """Ask the Auth server about a token that the keys here refuse: are the keys wrong, or is the token?

    Only one that says it is this server's own is shown to it; what others have issued is none of its business.
    """
    from tickctl.core.secret import Secret
    from tickctl.core.secrets.public_keys import unverified_claims
    from tickctl.core.tokens import UserState

    token = Secret(text.rsplit(maxsplit=1)[-1])
    issuer = sources.policy.issuer
    if sources.auth is None or issuer is None or unverified_claims(token).get("iss") != issuer:
        return None
    try:
        return isinstance(sources.auth.lookup("", "", token), UserState)
    except TickctlError:
        return None


def _of_user(run: Run, user: str, ticks: int) -> tuple[Person, "Explanation"]:
    from tickctl.cli.commands.explain.steps import explain_user

    confirms = not run.settings.allow_unconfirmed
    with open_reader(run) as quotas:
        state = quotas.show(user)
        explanation = explain_user(ticks, lambda: quotas.explain(state.user_id, ticks, require_confirmed=confirms))
        return Person(state.user_id, state.email), explanation
