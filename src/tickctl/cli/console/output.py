"""Where answers and notices go: results on stdout, everything else on stderr.

A person at a terminal gets tables; a pipe gets tab-separated lines; `--json` gets one document. Rich is loaded only
for terminals.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

from tickctl.cli.console.redact import printable

if TYPE_CHECKING:
    from rich.console import Console

Cell = str | int | bool | datetime | None


class Advance(Protocol):
    """Tells a progress bar that `steps` more units are done."""

    def __call__(self, steps: int = 1) -> None:
        """Move the bar."""


@dataclass(frozen=True, slots=True)
class Style:
    """How to show things, decided once from the options, the environment and the terminal."""

    json: bool = False
    quiet: bool = False
    colour: bool = False
    terminal: bool = False
    """Whether stdout is to look as on a terminal: tables, bars, colours."""
    progress: bool = False
    """Whether stderr is a terminal, so that a moving progress bar makes sense."""

    @classmethod
    def decide(cls, environ: Mapping[str, str], *, json: bool, quiet: bool, no_color: bool) -> "Style":
        """Honour NO_COLOR and FORCE_COLOR (no-color.org, force-color.org), TERM=dumb and `--no-color`."""
        forced = bool(environ.get("FORCE_COLOR"))
        dumb = environ.get("TERM") == "dumb"
        plain = no_color or bool(environ.get("NO_COLOR")) or (dumb and not forced)
        terminal = not json and (sys.stdout.isatty() or forced)
        return cls(
            json=json,
            quiet=quiet,
            colour=terminal and not plain,
            terminal=terminal,
            progress=sys.stderr.isatty() and not (quiet or dumb or json),
        )


class Output:
    """Writes answers to stdout and notices to stderr, in one `Style`."""

    def __init__(self, style: Style) -> None:
        self.style = style

    def document(self, value: object) -> None:
        """Write one JSON document on one line of stdout; escapes keep terminals safe."""
        import json

        sys.stdout.write(json.dumps(value, default=_json_value) + "\n")
        sys.stdout.flush()

    def text(self, line: str = "") -> None:
        """Write a line of plain text to stdout."""
        sys.stdout.write(line + "\n")

    def coloured(self, line: str, colour: str) -> None:
        """Write a line of plain text to stdout, in a colour where colours are wanted."""
        self.text(self._in(colour, line))

    def notice(self, message: str) -> None:
        """Tell the person something that is not the answer."""
        if not self.style.quiet:
            self._tell(f"{printable(message)}\n")

    def warning(self, message: str) -> None:
        """Tell the person something that `--quiet` must not hide."""
        self._tell(f"warning: {printable(message)}\n")

    @staticmethod
    def _tell(text: str) -> None:
        """Write to stderr, after what stdout has been given so far: a log that takes both keeps their order."""
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()

    def record(self, fields: Mapping[str, Cell]) -> None:
        """Write one thing as aligned `name  value` lines, or tab-separated into a pipe."""
        if not self.style.terminal:
            for name, value in fields.items():
                self.text(f"{name}\t{cell_text(value)}")
            return
        width = max(map(len, fields), default=0)
        for name, value in fields.items():
            self.paragraph(cell_text(value, empty="-"), first=f"{name.replace('_', ' '):{width}}  ")

    def _in(self, colour: str, text: str) -> str:
        code = {"green": 32, "red": 31, "yellow": 33}[colour]
        return f"\033[1;{code}m{text}\033[0m" if self.style.colour else text

    def paragraph(self, text: str, *, first: str = "", colour: str | None = None) -> None:
        """Write text after `first`; on a terminal broken between words, the lines after the first one indented.

        Where colours are wanted, `first` is written in the given one.
        """
        text = printable(text)
        if self.style.terminal:
            import textwrap

            indent = " " * len(first)
            width = max(20 + len(first), self.width)
            lines = textwrap.wrap(text, width - len(first), break_on_hyphens=False, break_long_words=False)
            text = f"\n{indent}".join(lines)
        self.text((self._in(colour, first) if colour else first) + text)

    @property
    def width(self) -> int:
        """Columns of the terminal; 80 where there is none."""
        import shutil

        return shutil.get_terminal_size().columns

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, empty: str = "nothing to show") -> None:
        """Write rows under column names: a table on a terminal, tab-separated lines with a header in a pipe."""
        unknown = "-" if self.style.terminal else ""
        lines = [[cell_text(cell, empty=unknown) for cell in row] for row in rows]
        if not self.style.terminal:
            for line in [list(columns), *lines]:
                self.text("\t".join(line))
            return
        if not lines:
            self.notice(empty)
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for index, name in enumerate(columns):
            numeric = all(line[index].isdigit() or line[index] in {"-", "unlimited"} for line in lines)
            table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
        for line in lines:
            table.add_row(*map(Text, line))  # Text, because a user's e-mail is not Rich markup
        self.console().print(table)

    def console(self) -> "Console":
        """Return a Rich console on stdout in this style."""
        from rich.console import Console

        colours: Literal["auto"] | None = "auto" if self.style.colour else None
        return Console(force_terminal=self.style.terminal, color_system=colours, highlight=False, markup=False)

    @contextmanager
    def progress(self, label: str, total: int | None = None) -> Iterator[Advance]:
        """Show a bar on stderr while something goes on, where stderr is a terminal; a count where no end is known."""
        if not self.style.progress:
            yield lambda _steps=1: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(label, total=total)
            yield lambda steps=1: progress.advance(task, steps)


def cell_text(value: Cell, *, empty: str = "") -> str:
    """Return a value as safe text for one cell: RFC 3339 times in UTC, booleans as yes and no."""
    match value:
        case None:
            return empty
        case bool():
            return "yes" if value else "no"
        case datetime():
            return rfc3339(value)
        case _:
            return printable(str(value))


def rfc3339(moment: datetime) -> str:
    """Return a time in UTC as RFC 3339 section 5.6 writes it, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value)  # dates and UUIDs; a Secret gives its mask
