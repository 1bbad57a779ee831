"""The state of an admitted request, as ASGI has it in `scope["state"]`."""

from collections.abc import MutableMapping
from typing import Any, Self

from tickctl.gateway.admission import STATE_KEY, Admission


class AdmittedState(dict[str, Any]):
    """What was in the state before, and the admission, which nobody finds but this request's handler.

    Some servers give one state to all requests of a connection, where one user could find another's admission. What
    handlers change besides is changed outside as well: middleware reads it there when the handler is done.
    """

    __slots__ = ("_outside",)

    def __init__(self, outside: MutableMapping[str, Any], admission: Admission) -> None:
        super().__init__(outside)
        super().__setitem__(STATE_KEY, admission)
        self._outside = outside

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if name != STATE_KEY:
            self._outside[name] = value

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        if name != STATE_KEY:
            self._outside.pop(name, None)

    def pop(self, name: str, *default: Any) -> Any:
        """Take a value out; `MutableMapping.pop` works in its own subclasses only."""
        if name not in self:
            return super().pop(name, *default)
        value = self[name]
        del self[name]
        return value

    def __ior__(self, others: Any) -> Self:  # type: ignore[override,misc]
        self.update(others)
        return self

    # A dict's own would not call the methods above.
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault
    popitem = MutableMapping.popitem
    clear = MutableMapping.clear
