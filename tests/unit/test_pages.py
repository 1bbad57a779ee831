"""The pages name what there is: every link leads somewhere, and every command line is one."""

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import typer

from guide_support import DOCS, ROOT, anchors, shown
from tickctl.cli.app import build_app

# The base of what typer raises for a wrong command line; it has no public name.
UsageError: Any = typer.BadParameter.__base__
TREE: Any = typer.main.get_command(build_app())
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


class NoSuchCommandError(Exception):
    """A command line begins with no command."""


def links(page: Path) -> list[str]:
    """Return where a page's links lead, but for the web."""
    targets: list[str] = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [target for target in targets if not target.startswith(("http://", "https://"))]


def leads_somewhere(page: Path, target: str) -> bool:
    """Tell whether a link's file is there, and has the heading."""
    name, _, anchor = target.partition("#")
    file = (page.parent / name) if name else page
    return file.exists() and (not anchor or anchor in anchors(file.read_text()))


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield the arguments of the command lines that a page shows to be typed, wherever in a line of the shell."""
    for each in shown(text):
        words = shlex.shlex(re.sub(r"<[^ >]+>", "placeholder", each.command), posix=True, punctuation_chars=True)
        words.whitespace_split, words.commenters = True, "#"
        for begins, line in groupby(words, key=lambda word: set(word) <= set("|&;<>()")):
            arguments = list(line)
            if not begins and arguments[0] == "tickctl":
                yield arguments[1:]


def mentions(text: str) -> Iterator[list[str]]:
    """Yield the words of commands that a sentence names, as in `tickctl secrets push --wait`, up to ` -- `."""
    for words in re.findall(r"`tickctl ([^`]*)`", re.sub(r"\s+", " ", text)):
        yield words.partition(" -- ")[0].split()


def parsed(words: list[str]) -> None:
    """Have the command line read these words, without anything being done.

    Raises:
        NoSuchCommandError: they are no command.
        UsageError: they are no arguments of it.
    """
    command, left = found(words)
    with suppress(typer.Exit):  # --help and --version
        command.make_context("tickctl", left)


def found(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words begin with, and the words after its name.

    Raises:
        NoSuchCommandError: there is none.
    """
    command = TREE
    left = list(words)
    while names := getattr(command, "commands", None):
        if not left or left[0].startswith("-"):
            break
        if left[0] not in names:
            raise NoSuchCommandError(left[0])
        command = names[left.pop(0)]
    return command, left


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of the project, and to a heading that it has."""
    assert [target for target in links(page) if not leads_somewhere(page, target)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_command_lines_are_read(page: Path) -> None:
    """Whoever copies one isn't told of a wrong usage."""
    wrong = []
    for words in command_lines(page.read_text()):
        try:
            parsed(words)
        except (NoSuchCommandError, UsageError) as error:
            wrong.append((" ".join(words), str(error)))
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_in_sentences_are_there_with_their_options(page: Path) -> None:
    """Their arguments may be left out."""
    wrong = []
    for words in mentions(page.read_text()):
        try:
            command, left = found(words)
        except (NoSuchCommandError, UsageError) as error:
            wrong.append((" ".join(words), str(error)))
            continue
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        wrong += [
            (" ".join(words), word)
            for word in left
            if word.startswith("--") and word.rstrip("`") not in known | {"--help", "--version"}
        ]
    assert wrong == []


def test_a_wrong_line_is_noticed() -> None:
    """So that the tests above can fail."""
    for words in (["secrets", "psuh"], ["quota", "show"], ["quota", "set", "user@example.com", "5", "--resaon", "x"]):
        with pytest.raises((NoSuchCommandError, UsageError)):
            parsed(words)
    assert not leads_somewhere(ROOT / "README.md", "docs/CLI.md#nowhere")
    assert leads_somewhere(ROOT / "README.md", "docs/CLI.md#exit-codes")
