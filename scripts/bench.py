"""Runs the measurements `bench_*.py` beside it and prints a line for each ratio."""

import importlib
import sys
from pathlib import Path

# Measured only when named: these take minutes, or a quarter of an hour and gigabytes.
LONG = {"gateway_memory", "growth", "scale"}


def main(names: list[str]) -> None:
    """Measure the named parts, or all that don't take long."""
    parts = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    for part in names or [part for part in parts if part not in LONG]:
        if part not in parts:
            sys.exit(f"error: no measurement {part!r}\nhint: there are {', '.join(parts)}")
        print(f"{part}:")
        for what, ratio, target in importlib.import_module(f"bench_{part}").measure():
            print(f"  {what:64} {ratio:8.2f}   target {target}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
