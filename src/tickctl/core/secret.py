"""The one type in which secret values travel."""

from typing import Final, NoReturn, final

MASK: Final = "********"


@final
class Secret:
    """A string that doesn't show itself: `repr`, `str`, `format` give a mask, and pickle and JSON refuse it.

    Call `reveal()` at the last moment, in the expression that hands the value to the system that needs it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, _spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret can't be pickled or copied to another process")
