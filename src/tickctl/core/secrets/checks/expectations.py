"""What env files are expected to hold."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tickctl.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a profile and the example files ask for.

    Attributes:
        required: names that must be there, and not be empty.
        listed: names that the example files assign. They must be there; an empty one says that it isn't needed.
        examples: the values that the example files show, by name.
        source: where the names stand, for the mend.
    """

    required: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    examples: Mapping[str, AbstractSet[Secret]] = field(default_factory=dict)
    source: str = "the example file"
