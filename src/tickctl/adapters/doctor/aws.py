"""Looks at AWS: who we are there, and whether the secret holds what the env files hold; names only."""

from collections.abc import Mapping

from tickctl.adapters.aws import Aws
from tickctl.core.doctor.facts import AwsIdentity, StoredSecret
from tickctl.core.secret import Secret
from tickctl.core.secrets.payload import decode
from tickctl.core.secrets.plan import compare
from tickctl.core.secrets.store import CURRENT, Phase
from tickctl.errors import ConflictError, CredentialsRefusedError, NotFoundError, UnreachableError


def identity(aws: Aws, wanted: str | None) -> AwsIdentity:
    """Return where the credentials lead.

    Raises:
        TickctlError: AWS refuses them, or can't be reached.
    """
    return AwsIdentity(aws.account(), aws.region, wanted)


def stored(aws: Aws, name: str, in_files: Mapping[str, Secret] | None) -> StoredSecret:
    """Return in which keys a secret and the env files differ; keys that only AWS has are left there by a push.

    Raises:
        NotFoundError: there is no such secret, or it has no value.
        ConflictError: it is scheduled for deletion.
        ConfigurationError: it holds something else than names and values.
        UnreachableError: AWS can't be reached, or doesn't let us look.
    """
    try:
        return _compared(aws, name, in_files)
    except CredentialsRefusedError as error:  # who may not look can't tell
        raise UnreachableError(error.message, hint=error.hint) from None


def _compared(aws: Aws, name: str, in_files: Mapping[str, Secret] | None) -> StoredSecret:
    state = aws.secrets.describe(name)
    if state.phase is Phase.SCHEDULED_FOR_DELETION:
        raise ConflictError("it is to be deleted", hint="'tickctl secrets push --restore' takes the deletion back")
    if state.phase is Phase.ABSENT or state.arn is None or state.version_of(CURRENT) is None:
        raise NotFoundError(f"{name} isn't there, or has no value yet", hint="'tickctl secrets push' makes it")
    stored = decode(aws.secrets.get(state.arn, version_id=None).text)
    if in_files is None:
        return StoredSecret(name, None)
    changes = compare(in_files, stored, prune=False)
    return StoredSecret(name, tuple(sorted((*changes.added, *changes.changed))))
