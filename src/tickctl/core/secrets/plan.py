"""What a push would do: names only, and one payload to write."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from tickctl.core.secret import Secret
from tickctl.core.secrets.payload import LARGEST, encode, listed
from tickctl.core.secrets.store import Phase, SecretState
from tickctl.errors import ConfigurationError, ConflictError, NotFoundError

# CreateSecret, Name. AWS ends its ARNs with a hyphen and six characters, and takes such a name for part of an ARN.
_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_LIKE_AN_ARN: Final = re.compile(r"-[A-Za-z0-9]{6}")
# A reference is `arn:KEY:stage:version`, so a key has no colon; and what follows is a variable's name in a container.
_KEY: Final = re.compile(r"[!-9;<>-~]+")
_NAMESPACE: Final = UUID("5c1b1f0e-6d5b-4c39-9a52-3f8f2c7f4d11")


class Action(StrEnum):
    """What happens to the secret itself."""

    CREATE = "create"
    PUT = "put"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """The names of keys, sorted, by what becomes of them."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Only in AWS, and left there."""
    removed: tuple[str, ...] = ()
    """Only in AWS, and pruned."""

    @property
    def any(self) -> bool:
        """Whether a new version is needed."""
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What a push does to the secret, decided from `base`; `values` is the whole new set."""

    base: SecretState
    action: Action
    changes: KeyChanges
    values: Mapping[str, Secret]


def compare(wanted: Mapping[str, Secret], current: Mapping[str, Secret], *, prune: bool) -> KeyChanges:
    """Return what becomes of each key."""
    common = wanted.keys() & current.keys()
    extra = tuple(sorted(current.keys() - wanted.keys()))
    return KeyChanges(
        added=tuple(sorted(wanted.keys() - current.keys())),
        changed=tuple(sorted(name for name in common if wanted[name] != current[name])),
        unchanged=tuple(sorted(name for name in common if wanted[name] == current[name])),
        kept=() if prune else extra,
        removed=extra if prune else (),
    )


def plan_push(
    state: SecretState, current: Mapping[str, Secret], wanted: Mapping[str, Secret], *, prune: bool
) -> PushPlan:
    """Plan a push onto a secret that is live or absent.

    Args:
        state: of the secret.
        current: what AWSCURRENT holds; nothing where there is no such version.
        wanted: what the files hold.
        prune: remove what only AWS has.

    Raises:
        ConfigurationError: a key or value that can't be written or referred to; all of them are named, by key. Or
            somebody else looks after the secret: a service of AWS, a rotation function, its original.
        ConflictError: the secret is scheduled for deletion.
        NotFoundError: there is no secret with this ARN, and none can be made with it.
    """
    _check_state(state)
    values = dict(wanted) if prune else {**current, **wanted}
    problems = [*_problems_of_name(state), *_problems_of_keys(wanted)]
    if not problems:
        problems = list(_problems_of_size(values))
    if problems:
        raise ConfigurationError(
            f"can't push: {'; '.join(problems)}", hint="nothing was written; mend the files and run it again"
        )
    changes = compare(wanted, current, prune=prune)
    writing = Action.CREATE if state.phase is Phase.ABSENT else Action.PUT
    return PushPlan(base=state, action=writing if changes.any else Action.NONE, changes=changes, values=values)


def client_token(base: SecretState) -> str:
    """Return the ClientRequestToken for the one write that may follow this state.

    Two pushes that were planned on the same state have the same token, so that AWS lets only one of them through: a
    second write with this token and another value is refused (ResourceExistsException), one with the same value is
    the same write. It is made of the ARN, the versions' ids and stages and the time of the last change; never of a
    value. A secret that doesn't exist yet has its name only, which is enough: names are unique.
    """
    state = {
        "secret": base.arn or base.name,
        "stages": {version: sorted(stages) for version, stages in base.stages.items()},
        "changed_at": base.changed_at.astimezone(UTC).isoformat() if base.changed_at else None,
    }
    return str(uuid5(_NAMESPACE, json.dumps(state, sort_keys=True)))


def _check_state(state: SecretState) -> None:
    if state.phase is Phase.SCHEDULED_FOR_DELETION:
        when = f" on {state.deletion_at:%Y-%m-%d}" if state.deletion_at else ""
        raise ConflictError(
            f"the secret {state.name} is to be deleted{when}",
            hint="--restore takes the deletion back; a new secret would have another ARN, which no task refers to",
        )
    if state.owner:
        raise ConfigurationError(
            f"the secret {state.name} is managed by the AWS service {state.owner}",
            hint="tickctl needs a secret of its own; name another one",
        )
    if state.primary_region:
        raise ConfigurationError(
            f"the secret {state.name} is a replica of the one in {state.primary_region} here",
            hint=f"push there, with --region {state.primary_region}; AWS brings it here",
        )
    if state.rotates:
        raise ConfigurationError(
            f"the secret {state.name} is changed by a rotation function",
            hint="one of the two would write over the other; name another secret, or end the rotation",
        )
    if state.phase is Phase.ABSENT and state.name.startswith("arn:"):
        raise NotFoundError(
            f"there is no secret {state.name}", hint="give a name to make a new one; AWS itself makes the ARN"
        )


def _problems_of_name(state: SecretState) -> Iterator[str]:
    if state.phase is not Phase.ABSENT:
        return
    if not _NAME.fullmatch(state.name):
        yield "a secret's name has 1 to 512 letters, digits and / _ + = . @ -"
    elif _LIKE_AN_ARN.fullmatch(state.name[-7:]):
        yield "a secret's name must not end in a hyphen and six characters, which AWS takes for the end of an ARN"


def _problems_of_keys(wanted: Mapping[str, Secret]) -> Iterator[str]:
    if not wanted:
        yield "the files hold no key at all"
    if odd := [name for name in wanted if not _KEY.fullmatch(name)]:
        yield f"ECS can't refer to keys with colons, spaces, '=' or letters outside ASCII: {listed(odd)}"
    if unwritable := [name for name, value in wanted.items() if not _is_text(value)]:
        yield f"not Unicode text, or with a NUL character: {listed(unwritable)}"


def _problems_of_size(values: Mapping[str, Secret]) -> Iterator[str]:
    size = len(encode(values).reveal().encode())
    if size > LARGEST:
        yield (
            f"all keys and values together are {size:,} bytes, {size - LARGEST:,} more than one secret holds "
            f"({LARGEST:,}); move large values, such as certificates, to a secret or file of their own"
        )


def _is_text(value: Secret) -> bool:
    try:
        return b"\0" not in value.reveal().encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
