"""Checks of where an env file is: who may read it, and what may carry it away, a Docker build among them."""

import posixpath
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tickctl.core.secrets.checks.catalogue import Check
from tickctl.core.secrets.checks.finding import Finding, Result

_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class GitFacts:
    """What git says of a file; None is what it could not say.

    Attributes:
        repository: whether the file is in a working tree at all.
        tracked: whether the index has it.
        ignored: whether a rule ignores it.
        commit: the latest commit, on any branch, that touches it; empty if there is none.
        problem: why something could not be found out.
    """

    repository: bool | None
    tracked: bool | None = None
    ignored: bool | None = None
    commit: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class BuildContext:
    """A folder at or above the file that a docker build is given.

    Attributes:
        folder: for people.
        ignore_file: the file that says what is left out, for people.
        excluded: whether it leaves the env file out; None if that can't be told.
    """

    folder: str
    ignore_file: str
    excluded: bool | None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What was found out about one env file, the ends of links included."""

    name: str
    mode: int
    owned: bool
    """Whether it belongs to who runs this, or to root."""
    leads_to: str | None
    """The file that a link leads to."""
    git: GitFacts
    contexts: tuple[BuildContext, ...] = ()


def placed(facts: FileFacts) -> Iterator[Finding]:
    """Find what is wrong with a file's place."""

    def finding(check: Check, result: Result, message: str, mend: str | None = None) -> Finding:
        return Finding(check, result, message, mend, facts.name)

    if facts.leads_to:
        yield finding(Check.SYMLINK, Result.NOTE, f"it is a link to {facts.leads_to}, which was looked at instead")
    if not facts.owned:
        yield finding(Check.OWNER, Result.WARNING, "it belongs to somebody else, who may change what is pushed")
    if facts.mode & _OTHERS_WRITE:
        mend = f"chmod 600 {facts.name}"
        yield finding(Check.WRITABLE, Result.FAIL, "others on this machine may change what is pushed", mend)
    if facts.mode & _OTHERS_READ:
        yield finding(Check.READABLE, Result.WARNING, "others on this machine may read it", f"chmod 600 {facts.name}")
    yield from _in_git(facts)
    for context in facts.contexts:
        if context.excluded:
            continue
        build = f"a docker build of {context.folder}"
        if context.excluded is None:
            message = f"whether {build} is sent it can't be told: {context.ignore_file} has a line without a meaning"
            yield finding(Check.BUILD_CONTEXT, Result.CANNOT_TELL, message, f"correct {context.ignore_file}")
        else:
            mend = f"add it to {context.ignore_file}"
            yield finding(
                Check.BUILD_CONTEXT, Result.WARNING, f"{build} is sent it, and may copy it into an image", mend
            )


def _in_git(facts: FileFacts) -> Iterator[Finding]:
    git, name = facts.git, facts.name
    if git.repository is False:
        yield Finding(Check.NO_REPOSITORY, Result.NOTE, "it is in no git repository", None, name)
        return
    if git.tracked:
        message = "git tracks it, so everybody who has the repository has what is in it"
        mend = f"git rm --cached {name}, ignore it, and change the secrets that were in it"
        yield Finding(Check.TRACKED, Result.FAIL, message, mend, name)
    elif git.ignored is False:
        message = "git doesn't ignore it: the next 'git add .' takes it in"
        yield Finding(Check.NOT_IGNORED, Result.FAIL, message, f"add it to .gitignore: {name}", name)
    if git.commit and not git.tracked:
        message = f"commit {git.commit[:12]} touches it, so it is or was in the repository's history"
        yield Finding(Check.IN_HISTORY, Result.WARNING, message, "change the secrets that were in it", name)
    if git.problem or git.repository is None:
        message = f"git can't tell everything about it: {git.problem or 'no answer'}"
        yield Finding(
            Check.GIT, Result.CANNOT_TELL, message, "run 'git status' beside it, and mend what that says", name
        )


def excludes(text: str, path: str) -> bool | None:
    """Return whether a `.dockerignore` leaves a file out of a build context; None if a line can't be understood.

    The rules of "dockerignore file" in Docker's build documentation: Go's `filepath.Match` and `**`, `!` takes back,
    the last line that matches decides, and a folder that is left out takes along what is in it.

    Args:
        text: of the `.dockerignore`.
        path: of the file, from the context's root, with `/`.
    """
    above = [path, *_folders_above(path)]
    left_out = False
    for pattern, takes_back in _lines(text):
        try:
            form = re.compile(_translated(pattern), re.DOTALL)
        except (re.error, ValueError):
            return None
        if any(form.fullmatch(name) for name in above):
            left_out = not takes_back
    return left_out


def _folders_above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    for line in text.removeprefix("\N{BYTE ORDER MARK}").splitlines():
        if line.startswith("#"):
            continue
        pattern = line.strip()
        takes_back = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip()
        if not pattern:
            continue
        pattern = posixpath.normpath(pattern).lstrip("/")
        if pattern not in {"", "."}:  # Docker ignores the dot, too
            yield pattern, takes_back


def _translated(pattern: str) -> str:
    """Return the regular expression that means the same; ValueError where Go finds no meaning."""
    written = []
    remaining = pattern
    while remaining:
        if remaining.startswith("**"):
            remaining = remaining[2:].removeprefix("/")
            written.append("(?:.*/)?" if remaining else ".*")
        elif remaining[0] == "[":
            match = re.match(r"\[\^?(?:\\.|[^\]\\])+\]", remaining)
            if not match:
                raise ValueError("a bracket without an end")
            written.append(match[0].replace("[[", r"[\["))
            remaining = remaining[match.end() :]
        elif remaining[0] == "\\":
            if len(remaining) == 1:
                raise ValueError("nothing after the backslash")
            written.append(re.escape(remaining[1]))
            remaining = remaining[2:]
        else:
            written.append({"*": "[^/]*", "?": "[^/]"}.get(remaining[0], re.escape(remaining[0])))
            remaining = remaining[1:]
    return "".join(written)
