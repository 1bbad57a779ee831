"""`tickctl explain`: what would the gateway answer to this request, and why?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.backend import choose
from tickctl.cli.exit_codes import ExitCode
from tickctl.cli.explain.mend import Situation, mend
from tickctl.cli.explain.opening import open_reader, open_sources
from tickctl.cli.explain.show import explanation_json, show
from tickctl.cli.explain.sources import Sources
from tickctl.cli.run import BackendName, Run, command
from tickctl.cli.verifier import Network
from tickctl.cli.verify_token import open_tokens, parse_time
from tickctl.errors import InvalidInputError, TickctlError

if TYPE_CHECKING:
    from tickctl.gateway.explanation import Explanation


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
    online: Annotated[
        bool | None,
        typer.Option("--online/--offline", help="Ask the Auth server about user and session, or nobody anything."),
    ] = None,
) -> ExitCode:
    """Say what the gateway would answer to a request, and what decides it.

    It takes the gateway's own steps and takes no ticks: header, signature, claims, ticks, account, session,
    confirmation and quota. At the end come the answer, and the command that would change it, if there is one.

    Nothing is written, started or renewed. Exit code 0 is let through, 1 refused, 5 cannot tell.
    """
    if user is not None:
        if token or file or at or online is not None:
            raise InvalidInputError("--user stands in the place of a token", hint="leave the token, or --user, out")
        found, accepted = _of_user(run, user, ticks), None
    else:
        network = Network.AUTO if online is None else Network.ONLINE if online else Network.OFFLINE
        found, accepted = _of_token(run, token, file, ticks, parse_time(at) if at else None, network)
    local = choose(run.settings, run.backend) is BackendName.LOCAL
    options = "" if run.backend is BackendName.AUTO else f" --backend {run.backend}"
    what = mend(found, Situation(ticks, local, options, accepted))
    if run.json:
        run.output.document(explanation_json(found, what, ticks))
    else:
        show(run, found, what, ticks)
    return ExitCode.CANNOT_TELL if found.admitted is None else ExitCode.YES if found.admitted else ExitCode.NO


def _of_token(
    run: Run, token: str | None, file: Path | None, ticks: int, at: float | None, network: Network
) -> tuple["Explanation", bool | None]:
    """Explain a token; tell as well whether the Auth server accepts one whose signature is refused here."""
    from tickctl.gateway.explain import Explainer

    with open_tokens(run, token, file, batch=False) as tokens, open_sources(run, network) as sources:
        text = next(tokens)
        explainer = Explainer(
            sources.keys,
            sources.policy,
            sources.functions,
            directory=sources.directory,
            largest_cost=sources.largest_cost,
        )
        found = explainer.of_token(text, ticks, at=at)
        return found, _accepted_elsewhere(sources, text) if found.code == "bad_signature" else None


def _accepted_elsewhere(sources: Sources, text: str) -> bool | None:
    """Ask the Auth server about a token that the keys here refuse: are the keys wrong, or is the token?

    Only one that says it is this server's own is shown to it; what others have issued is none of its business.
    """
    from tickctl.core.secrets import Secret
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


def _of_user(run: Run, user: str, ticks: int) -> "Explanation":
    from tickctl.core.tokens import KeySet, StaticKeys
    from tickctl.gateway.explain import Explainer

    with open_reader(run) as reader:
        state = reader.quotas.show(user)
        record = reader.quotas.user(state.user_id)
        explainer = Explainer(StaticKeys(KeySet()), reader.policy, None, largest_cost=reader.largest_cost)
        return explainer.of_user(record, state, ticks)
