"""The masked type shows nothing, by any road that printing, logging or serialising takes."""

import copy
import json
import pickle

import pytest

from tickctl.core.secret import Secret

VALUE = "hunter2-hunter2"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r:>40}".format, lambda s: f"{s:>40}", lambda s: "%s" % s])  # noqa: UP031
def test_showing_gives_the_mask(show: object) -> None:
    """Neither printing nor formatting reaches the value."""
    assert callable(show)
    assert VALUE not in show(Secret(VALUE))


@pytest.mark.parametrize("serialise", [json.dumps, pickle.dumps, copy.deepcopy])
def test_serialising_is_refused(serialise: object) -> None:
    """A value that must not be written down can't be written down by accident."""
    assert callable(serialise)
    with pytest.raises(TypeError):
        serialise(Secret(VALUE))


def test_reveal_gives_the_value() -> None:
    """The one way out."""
    assert Secret(VALUE).reveal() == VALUE


def test_equal_values_are_equal_and_empty_is_false() -> None:
    """Secrets can be compared and looked for without being revealed."""
    assert Secret(VALUE) == Secret(VALUE)
    assert hash(Secret(VALUE)) == hash(Secret(VALUE))
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert not Secret("")
