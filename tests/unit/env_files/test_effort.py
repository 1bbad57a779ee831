"""Reading takes steps in proportion to the text: twice the text, twice the steps."""

import sys
from types import FrameType
from typing import Any

import pytest

from tickctl.core.secrets.env_files import EnvFile, read
from tickctl.errors import ConfigurationError


def steps(text: str) -> int:
    """Count the lines of Python that reading a text runs, and the characters that are copied on the way."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += 1
        if event == "return":
            count += sum(len(value) for value in frame.f_locals.values() if isinstance(value, str))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read([EnvFile("x.env", text)])
    except ConfigurationError:
        pass
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "piece",
    [
        "K=v\n",
        "# comment\n\n",
        "K\n",
        "K='a\nb'\n",
        'K="\\n\\\\"\n',
        "K=$$x",
        "${A:-x}",
        "${A:-",
        "$A",
        "'",
        "\\'",
        "K='\\",
        " #",
        " ",
        "=",
    ],
)
def test_steps_grow_with_the_text(piece: str) -> None:
    """However the text is made."""
    once, twice = (steps(f"A=1\nK={piece * times}") for times in (200, 400))
    assert twice < 2.5 * once
