"""The secret's part of a push: what must not be pushed, what is there, what would change, and the one write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tickctl.cli.commands.secrets.current import state_of
from tickctl.cli.console.run import Run
from tickctl.core.secrets.payload import decode, encode
from tickctl.core.secrets.plan import Action, PushPlan, client_token, plan_push
from tickctl.core.secrets.store import CURRENT, PREVIOUS, Phase, SecretState
from tickctl.errors import ConfigurationError, ConflictError

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws
    from tickctl.core.secret import Secret
    from tickctl.core.secrets.env_files import Entry
    from tickctl.core.secrets.target import Target


@dataclass(frozen=True, slots=True)
class Written:
    """The secret as it stands after a push."""

    arn: str
    version_id: str
    previous_version_id: str | None


def refuse_unsafe(
    run: Run, target: "Target", paths: Sequence[Path], entries: "Sequence[Entry]", *, force: bool
) -> None:
    """Warn of every value that must not go to production, and refuse a push of any unless it is forced.

    Raises:
        ConfigurationError: there is one.
    """
    from tickctl.adapters.examples import expectations
    from tickctl.core.secrets.checks import unsafe

    findings = unsafe(entries, expectations(target, paths))
    for finding in findings:
        location = f"{finding.file}:{finding.line}: " if finding.file and finding.line else ""
        mend = f" ({finding.mend})" if finding.mend else ""
        run.output.warning(f"{location}{finding.message}{mend}")
    if findings and not force:
        raise ConfigurationError(
            "nothing pushed: these files aren't production-ready",
            hint="fix the warnings above, or add --force-insecure to push all the same",
        )


def restored(run: Run, aws: "Aws", target: "Target", state: SecretState) -> SecretState:
    """Take back the deletion that a secret is scheduled for, and return its state then."""
    if state.phase is not Phase.SCHEDULED_FOR_DELETION or state.arn is None:
        return state
    aws.secrets.restore(state.arn)
    run.output.notice(f"took back the deletion of {state.name}")
    return state_of(aws, target)


def plan(aws: "Aws", target: "Target", state: SecretState, wanted: "Mapping[str, Secret]", *, prune: bool) -> PushPlan:
    """Plan the write onto this state: one more request where there is a value.

    Raises:
        ConfigurationError: the secret holds something else than keys and values, can't take these, or is encrypted
            with another key than asked for.
        ConflictError: it has changed since the state was read, or is scheduled for deletion.
    """
    current: dict[str, Secret] = {}
    version = state.version_of(CURRENT)
    if state.phase is Phase.LIVE and state.arn and version:
        _same_key(target, state)
        stored = aws.secrets.get(state.arn)
        if stored.id != version:
            raise _moved(state)
        current = decode(stored.text)
    return plan_push(state, current, wanted, prune=prune)


def check_unmoved(aws: "Aws", base: SecretState) -> None:
    """Make sure that nobody has changed the secret while a person was asked.

    Raises:
        ConflictError: somebody has.
    """
    if aws.secrets.describe(base.arn or base.name) != base:
        raise _moved(base)


def tags_to_set(target: "Target", state: SecretState) -> dict[str, str]:
    """Return the tags that an existing secret lacks or has otherwise."""
    if state.phase is Phase.ABSENT:
        return {}
    return {name: value for name, value in target.tags.items() if state.tags.get(name) != value}


def write(aws: "Aws", target: "Target", planned: PushPlan) -> Written:
    """Carry out a plan: all of it in one version, or nothing.

    Raises:
        ConflictError: another push was quicker; nothing was written.
        UnreachableError: whether it was written is not known.
    """
    base = planned.base
    current = base.version_of(CURRENT)
    match planned.action:
        case Action.CREATE:
            made = aws.secrets.create(
                base.name,
                encode(planned.values),
                token=client_token(base),
                kms_key=target.kms_key,
                tags=target.tags,
            )
            return Written(made.arn or base.name, made.version_of(CURRENT) or "", None)
        case Action.PUT:
            arn = base.arn or base.name
            version = aws.secrets.put(arn, encode(planned.values), token=client_token(base))
            if CURRENT not in version.stages:  # somebody wrote the same before, and another has written since
                raise _moved(base)
            return Written(arn, version.id, current)
        case Action.NONE:
            return Written(base.arn or base.name, current or "", base.version_of(PREVIOUS))


def _same_key(target: "Target", state: SecretState) -> None:
    """Refuse to write under another KMS key than the one that was asked for; AWS would use the old one silently."""
    key, current = target.kms_key, state.kms_key
    if key is None or current is None:
        different = key is not None
    else:
        key, current = key.rpartition(":")[2], current.rpartition(":")[2]
        # An alias and an id may mean the same key; only of a like pair can be told that they don't.
        alike = key.startswith("alias/") == current.startswith("alias/")
        different = alike and key.removeprefix("key/") != current.removeprefix("key/")
    if different:
        raise ConfigurationError(
            f"{state.name} is encrypted with {state.kms_key or 'the key of the account'}, not with {target.kms_key}",
            hint="leave --kms-key out, or change the key with 'aws secretsmanager update-secret --kms-key-id'",
        )


def _moved(state: SecretState) -> ConflictError:
    return ConflictError(
        f"somebody has changed {state.name} in the meantime; nothing was written",
        hint="look at 'tickctl secrets diff', then run the same command again",
    )
