"""Where another reader makes something else of an env file than Docker Compose, and how to write it for both."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tickctl.core.secret import Secret
from tickctl.core.secrets.env_files.grammar import SPACES
from tickctl.core.secrets.env_files.model import Entry, EnvFile, Reading
from tickctl.core.secrets.env_files.reader import effective, read
from tickctl.core.secrets.env_files.writer import FORMS
from tickctl.errors import ConfigurationError

LONGEST_LINE: Final = 64 * 1024 - 1
"""Bytes, a carriage return included; the line reader of Go's bufio takes no more."""


class OtherReader(StrEnum):
    """Who else reads env files."""

    PYTHON_DOTENV = "python-dotenv"
    DOCKER_RUN = "docker run --env-file"


_HOPELESS: Final = "can't read it alike, however it is written"
Read = Callable[[Sequence[EnvFile]], Reading]


@dataclass(frozen=True, slots=True)
class Difference:
    """An assignment that other readers understand in another way, and the mend."""

    entry: Entry
    readers: tuple[OtherReader, ...]
    mend: str


def differences(
    files: Sequence[EnvFile], entries: Sequence[Entry], readers: Mapping[OtherReader, Read]
) -> tuple[Difference, ...]:
    """Compare what counts for each name with what other readers make of the same files; refused entries are left out.

    A reader that gives up on a file differs on the assignment at which it does, and says nothing of the others.
    """
    readings = {reader: look(files) for reader, look in readers.items()}
    gives_up = {reader: _at(reading.refused, entries) for reader, reading in readings.items() if reading.refused}
    counting = effective(entries)
    all_differences = []
    for entry in entries:
        if entry.value is None:
            continue
        differing = tuple(
            reader
            for reader, reading in readings.items()
            if gives_up.get(reader) is entry
            or (
                reader not in gives_up
                and counting[entry.name] is entry
                and reading.values.get(entry.name) != entry.value
            )
        )
        if differing:
            all_differences.append(Difference(entry, differing, _mend(entry.name, entry.value, differing, readers)))
    return tuple(all_differences)


def _at(place: tuple[str, int], entries: Sequence[Entry]) -> Entry | None:
    """Return the entry that stands at a file and line; it begins there or above."""
    file, line = place
    return next((entry for entry in reversed(entries) if entry.file == file and entry.line <= line), None)


def _mend(name: str, value: Secret, differing: Collection[OtherReader], readers: Mapping[OtherReader, Read]) -> str:
    """Find the way of writing that most readers understand alike, by letting them read it."""
    best, pleased = FORMS[0], set[OtherReader]()
    for form in FORMS:
        text = f"{name}={form.write(value.reveal())}\n"
        files = [EnvFile(name, text)]
        if not _compose_reads(files, name, value):
            continue
        happy = {reader for reader, look in readers.items() if look(files).values.get(name) == value}
        if (len(happy & set(differing)), len(happy)) > (len(pleased & set(differing)), len(pleased)):
            best, pleased = form, happy
    if not pleased & set(differing):
        braces = OtherReader.PYTHON_DOTENV in differing and "${" in value.reveal()
        why = "; python-dotenv replaces ${...} in any quotes, unless it is told interpolate=False" if braces else ""
        return f"{' and '.join(differing)} {_HOPELESS}{why}"
    suffix = "".join(f"; {reader} {_HOPELESS}" for reader in readers if reader not in pleased)
    return f"write '{name}=' and the value itself, {best.name}{suffix}"


def _compose_reads(files: Sequence[EnvFile], name: str, value: Secret) -> bool:
    try:
        return {entry.name: entry.value for entry in read(files)} == {name: value}
    except ConfigurationError:
        return False


def docker_run(files: Sequence[EnvFile]) -> Reading:
    """Return what a container of `docker run --env-file` would get from these files, given in this order.

    Each line counts literally, quotes and dollars included (docker/cli, `opts/file.go`): a line without `=` takes the
    shell's value, and white space in a name refuses the file.
    """
    values: dict[str, Secret | None] = {}
    for file in files:
        for number, line in enumerate(file.text.removeprefix("\ufeff").split("\n"), start=1):
            name, equals, value = line.removesuffix("\r").lstrip(SPACES).partition("=")
            ignored = (not name and not equals) or name.startswith("#")
            unfit = not ignored and (not name or " " in name or "\t" in name)
            if unfit or len(line.encode(errors="replace")) > LONGEST_LINE:
                return Reading({}, refused=(file.name, number))
            if not ignored:
                values[name] = Secret(value) if equals else None
    return Reading(values)
