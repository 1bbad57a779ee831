"""Asks git about one file: whether it is tracked, ignored, or in the history.

Git is asked, and nothing else is run: no hook, no file-system monitor, no pager, no transfer of missing objects. It is
given a bare environment, so that it looks at the file's own repository and sees no secret of ours.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tickctl.core.secrets.checks import GitFacts

TIMEOUT: Final = 20.0
"""Seconds for one question; a long history takes some."""
_NOTHING_RUNS: Final = (
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "protocol.allow=never"),
    *("-c", "core.quotePath=off"),
)
_LITERALLY: Final = ("--literal-pathspecs",)
_PASSED: Final = frozenset({"PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"})
_SET: Final = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}


class _NoAnswerError(Exception):
    """Git did not answer this question; the text says why."""


def look_up(path: Path, environ: Mapping[str, str], *, git: str = "git", timeout: float = TIMEOUT) -> GitFacts:
    """Return what git says of a file; what it can't say is None, with the reason.

    Args:
        path: of an existing file; a link is asked about as what it is.
        environ: the process environment.
        git: the program.
        timeout: seconds for each of the questions.
    """
    folder = path.parent.resolve()
    if not any(os.path.lexists(place / ".git") for place in (folder, *folder.parents)):
        return GitFacts(repository=False)  # which needs no git
    repository = _Repository(folder, environ, git, timeout)
    try:
        inside = repository.answer("rev-parse", "--is-inside-work-tree").strip() == "true"
    except _NoAnswerError as error:
        return GitFacts(repository=None, problem=str(error))
    return _facts(repository, path.name) if inside else GitFacts(repository=False)


def _facts(repository: "_Repository", name: str) -> GitFacts:
    problems: list[str] = []

    def asked(*arguments: str) -> bool | None:
        try:
            return repository.yes_or_no(*arguments)
        except _NoAnswerError as error:
            problems.append(str(error))
            return None

    tracked = asked(*_LITERALLY, "ls-files", "--error-unmatch", "--", name)
    # Without the index, since a tracked file can be ignored too. It takes names as they are, but for a colon's magic.
    ignored = asked("check-ignore", "--quiet", "--no-index", "--", f"./{name}")
    commit: str | None = None
    try:
        # The full history: a branch that is merged counts, also if the file was gone before it was merged.
        commit = repository.answer(
            *_LITERALLY, "rev-list", "--all", "--full-history", "--max-count=1", "--", name
        ).strip()
        if not commit and repository.answer("rev-parse", "--is-shallow-repository").strip() != "false":
            problems.append("the history is cut off here ('git fetch --unshallow' gets it)")
            commit = None
    except _NoAnswerError as error:
        problems.append(str(error))
    return GitFacts(
        repository=True, tracked=tracked, ignored=ignored, commit=commit, problem=problems[0] if problems else None
    )


class _Repository:
    """Puts questions to git in a folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str], git: str, timeout: float) -> None:
        self._folder = folder
        self._git = git
        self._timeout = timeout
        # GIT_DIR and the like, as a hook has them, would mean another repository or index.
        self._environ = {
            name: value for name, value in environ.items() if name in _PASSED or name.startswith("GIT_CONFIG_")
        } | _SET

    def answer(self, *arguments: str) -> str:
        code, written = self._ask(arguments)
        if code:
            raise _NoAnswerError(f"'git {_name(arguments)}' ended with code {code}")
        return written

    def yes_or_no(self, *arguments: str) -> bool:
        code, _ = self._ask(arguments)
        if code not in {0, 1}:
            raise _NoAnswerError(f"'git {_name(arguments)}' ended with code {code}")
        return code == 0

    def _ask(self, arguments: tuple[str, ...]) -> tuple[int, str]:
        command = [self._git, *_NOTHING_RUNS, *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - no shell; the file's name stands behind `--`
                command,
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _NoAnswerError(f"'git {_name(arguments)}' took longer than {self._timeout:g} s") from None
        except FileNotFoundError:
            raise _NoAnswerError("git is not installed") from None
        except OSError as error:
            raise _NoAnswerError(f"git can't be run: {error.strerror}") from None
        return done.returncode, done.stdout.decode("utf-8", "replace")


def _name(arguments: tuple[str, ...]) -> str:
    return next(word for word in arguments if not word.startswith("-"))
