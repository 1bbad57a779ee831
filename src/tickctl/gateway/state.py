"""The state of an admitted request, as ASGI has it in `scope["state"]`."""

from collections.abc import MutableMapping
from typing import Any, Self

from tickctl.gateway.admission import STATE_KEY, Admission


class AdmittedState(dict[str, Any]):
    """What was in the state before, and the admission, which nobody finds but this request's handler.

    Some servers give one state to all requests of a connection, where one user could find another's admission. What
    handlers set besides is set outside as well: middleware reads it there when the handler is done.
    """

    __slots__ = ("_outside",)

    def __init__(self, outside: MutableMapping[str, Any], admission: Admission) -> None:
        super().__init__(outside)
        super().__setitem__(STATE_KEY, admission)
        self._outside = outside

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._outside[name] = value

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._outside.pop(name, None)

    def __ior__(self, others: Any) -> Self:  # type: ignore[override,misc]
        self.update(others)
        return self

    # A dict's own would not call the methods above.
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault
    pop = MutableMapping.pop
    popitem = MutableMapping.popitem
    clear = MutableMapping.clear
