"""What a secret holds: the version that commands read, and where it was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tickctl.cli.console.run import Run
from tickctl.errors import ConflictError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws
    from tickctl.core.secret import Secret
    from tickctl.core.secrets.store import SecretState
    from tickctl.core.secrets.target import Target

VersionId = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="ID",
        help="A version's id, or 'previous'; unless given, the current one.",
        show_default=False,
    ),
]
_SHORTEST, _LONGEST = 32, 64  # GetSecretValue, VersionId
_WORDS: Final = {"current": "AWSCURRENT", "previous": "AWSPREVIOUS"}


@dataclass(frozen=True, slots=True)
class Held:
    """A secret's state, one of its versions, and that version's values."""

    state: "SecretState"
    version_id: str | None
    values: "Mapping[str, Secret]"
    place: str
    """Secret, account and region, for people."""


def existing(aws: "Aws", target: "Target") -> "SecretState":
    """Return the state of the target's secret, which must be there to be read.

    Raises:
        NotFoundError: it isn't.
        ConflictError: it is scheduled for deletion, so that AWS gives nothing of it.
        ConfigurationError: nothing says which, or it lies in another account than the profile wants.
    """
    from tickctl.core.secrets.store import Phase

    state = look(aws, target)
    if state.phase is Phase.ABSENT:
        raise NotFoundError(
            f"there is no secret {state.name} in AWS account {aws.account()}, {aws.region}",
            hint="check name, region and account; 'tickctl secrets push' makes it",
        )
    return state


def state_of(aws: "Aws", target: "Target") -> "SecretState":
    """Return the state of the target's secret, whatever it is.

    Raises:
        ConfigurationError: nothing says which, or it lies in another account than the profile wants.
    """
    from tickctl.cli.open.aws import check_account
    from tickctl.cli.open.target import secret_of

    state = aws.secrets.describe(secret_of(target))
    check_account(aws, target, state.arn)
    return state


def look(aws: "Aws", target: "Target") -> "SecretState":
    """Return the state of the target's secret, absent or live.

    Raises:
        ConflictError: it is scheduled for deletion.
        ConfigurationError: as `state_of`.
    """
    from tickctl.core.secrets.store import Phase

    state = state_of(aws, target)
    if state.phase is Phase.SCHEDULED_FOR_DELETION:
        when = f" on {state.deletion_at:%Y-%m-%d}" if state.deletion_at else ""
        raise ConflictError(
            f"the secret {state.name} is to be deleted{when}, and can't be read until then",
            hint="'tickctl secrets push --restore' takes the deletion back",
        )
    return state


def read(run: Run, aws: "Aws", target: "Target", version: str | None = None) -> Held:
    """Return what a version of an existing secret holds.

    Args:
        run: told where the secret lies.
        aws: for the target.
        target: whose secret it is.
        version: an id, `current` or `previous`; None is the current one.

    Raises:
        NotFoundError: there is no such secret or version, or no value yet.
        InvalidInputError: that can't be a version's id, or it is a secret.
    """
    from tickctl.cli.open.aws import where

    check_version(run, version)
    state = existing(aws, target)
    location = where(aws, target, state.arn)
    run.output.notice(f"reading {location}")
    stored = held(aws, state, location, version)
    if stored.version_id is None:
        raise NotFoundError(f"{location} has no value yet", hint="'tickctl secrets push' gives it one")
    return stored


def held(aws: "Aws", state: "SecretState", place: str, version: str | None = None) -> Held:
    """Return what a version of a secret with this state holds; nothing where it is absent or has no value yet."""
    from tickctl.core.secrets.payload import decode
    from tickctl.core.secrets.store import CURRENT

    version_id = _version_id(state, version)
    if state.arn is None or (version_id is None and state.version_of(CURRENT) is None):
        return Held(state, None, {}, place)
    stored = aws.secrets.get(state.arn, version_id=version_id)
    return Held(state, stored.id, decode(stored.text), place)


def _version_id(state: "SecretState", text: str | None) -> str | None:
    if text is None or text == "current":
        return None
    if text in _WORDS:
        if (version_found := state.version_of(_WORDS[text])) is None:
            raise NotFoundError(
                f"{state.name} has no {text} version", hint="'tickctl secrets list --versions' shows those there are"
            )
        return version_found
    return text


def check_version(run: Run, text: str | None, *, option: str = "--version") -> None:
    """Refuse what can't be a version, before AWS is asked.

    Raises:
        InvalidInputError: it is neither an id nor a word that means one, or it is a secret.
    """
    from tickctl.cli.open.target import refuse_secrets

    refuse_secrets(run, {option: [text]})
    if text is not None and text not in _WORDS and not _SHORTEST <= len(text) <= _LONGEST:
        raise InvalidInputError(
            "that is no version's id", hint="'tickctl secrets list --versions' shows them; 'previous' works as well"
        )
