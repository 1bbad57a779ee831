"""The state of an admitted request is a dict in all that can be done to one."""

import operator
from collections.abc import Callable
from typing import Any

import pytest

from tickctl.gateway.admission import AdmittedState

ADMISSION: Any = object()
OUTSIDE = {"pool": "shared", "request_id": 7}

CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "set": lambda state: operator.setitem(state, "new", 1),
    "set again": lambda state: operator.setitem(state, "pool", 1),
    "del": lambda state: operator.delitem(state, "pool"),
    "del what is not there": lambda state: operator.delitem(state, "none"),
    "update by a dict": lambda state: state.update({"pool": 1, "new": 2}),
    "update by pairs and names": lambda state: state.update([("pool", 1)], new=2),
    "setdefault": lambda state: state.setdefault("new", 1),
    "setdefault of what is there": lambda state: state.setdefault("pool", 1),
    "pop": lambda state: state.pop("pool"),
    "pop with a default": lambda state: state.pop("none", 1),
    "pop what is not there": lambda state: state.pop("none"),
    "clear": lambda state: state.clear(),
    "|=": lambda state: dict(operator.ior(state, {"pool": 1, "new": 2})),
    "|= pairs": lambda state: dict(operator.ior(state, [("new", 2)])),
    "|": lambda state: state | {"pool": 1},
    "copy": lambda state: state.copy(),
    "set the admission": lambda state: operator.setitem(state, "ticks", state["ticks"]),
    "replace the admission": lambda state: operator.setitem(state, "ticks", None),
    "update by itself": lambda state: state.update(dict(state)),
    "del the admission": lambda state: operator.delitem(state, "ticks"),
    "pop the admission": lambda state: state.pop("ticks"),
}


def result(change: Callable[[dict[str, Any]], Any], state: dict[str, Any]) -> Any:
    """Return what a change returns or raises."""
    try:
        return change(state)
    except KeyError as error:
        return repr(error)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_that_of_a_dict_and_reaches_outside(change: Callable[[dict[str, Any]], Any]) -> None:
    """All but the admission, which never is outside."""
    outside = dict(OUTSIDE)
    state, plain = AdmittedState(outside, ADMISSION), {**OUTSIDE, "ticks": ADMISSION}
    assert result(change, state) == result(change, plain)
    assert state == plain
    assert outside == {name: value for name, value in plain.items() if name != "ticks"}


def test_popitem_takes_what_it_returns() -> None:
    """Until nothing is left, inside and outside."""
    outside = dict(OUTSIDE)
    state = AdmittedState(outside, ADMISSION)
    before = dict(state)
    assert dict(state.popitem() for _ in range(3)) == before
    assert (state, outside) == ({}, {})
    with pytest.raises(KeyError):
        state.popitem()


def test_what_was_outside_under_that_name_stays() -> None:
    """Another gate's admission, for instance, or what the application itself calls so; inside, it is hidden."""
    outside = {"ticks": "another's"}
    state = AdmittedState(outside, ADMISSION)
    assert state["ticks"] is ADMISSION
    state.clear()
    assert outside == {"ticks": "another's"}
