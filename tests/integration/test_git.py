"""What git says of an env file, asked of the real git."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tickctl.adapters.git import look_up
from tickctl.core.secrets.checks import GitFacts

NAME = "keys.env"
ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
Git = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an env file, in no repository yet."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / NAME).write_text("A=1\n")
    return folder


@pytest.fixture
def git(project: Path) -> Git:
    """Run git in the project."""

    def run(*arguments: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
        return subprocess.run(
            ["git", *who, *arguments], cwd=project, env=ENVIRON, check=True, capture_output=True, text=True
        ).stdout

    return run


def script(path: Path, text: str) -> str:
    """Write a program, and return its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_file_outside_any_repository_needs_no_git(project: Path) -> None:
    """There is nothing that could carry it away; so a missing git doesn't matter either."""
    assert look_up(project / NAME, ENVIRON, git="/nonexistent/git") == GitFacts(repository=False)


def test_an_untracked_file_is_ignored_or_not(project: Path, git: Git) -> None:
    """In a repository without any commit, too."""
    git("init")
    assert look_up(project / NAME, ENVIRON) == GitFacts(repository=True, tracked=False, ignored=False, commit="")
    (project / ".gitignore").write_text("*.env\n")
    assert look_up(project / NAME, ENVIRON) == GitFacts(repository=True, tracked=False, ignored=True, commit="")


def test_a_tracked_file_can_be_ignored_as_well(project: Path, git: Git) -> None:
    """`git check-ignore` alone would say nothing of the rule, and a rule doesn't untrack."""
    git("init")
    (project / ".gitignore").write_text("*.env\n")
    git("add", "--force", NAME)
    assert look_up(project / NAME, ENVIRON) == GitFacts(repository=True, tracked=True, ignored=True, commit="")
    git("commit", "-m", "x")
    assert look_up(project / NAME, ENVIRON).commit == git("rev-parse", "HEAD").strip()


def test_a_file_that_was_removed_from_git_is_in_its_history(project: Path, git: Git) -> None:
    """On any branch, also where the branch was merged after the file had gone from it."""
    git("init")
    git("commit", "--allow-empty", "-m", "begin")
    git("checkout", "-b", "side")
    git("add", NAME)
    git("commit", "-m", "in")
    git("rm", "--cached", NAME)
    git("commit", "-m", "out")
    out = git("rev-parse", "HEAD").strip()
    git("checkout", "main")
    git("commit", "--allow-empty", "-m", "meanwhile")
    git("merge", "--no-ff", "-m", "merge", "side")
    git("branch", "-D", "side")
    facts = look_up(project / NAME, ENVIRON)
    assert (facts.tracked, facts.commit, facts.problem) == (False, out, None)


def test_a_history_that_is_cut_off_cannot_be_told(project: Path, git: Git, tmp_path: Path) -> None:
    """What lies before may hold the file."""
    git("init")
    git("commit", "--allow-empty", "-m", "1")
    git("commit", "--allow-empty", "-m", "2")
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", project.as_uri(), str(tmp_path / "clone")], env=ENVIRON, check=True
    )
    (tmp_path / "clone" / NAME).write_text("A=1\n")
    facts = look_up(tmp_path / "clone" / NAME, ENVIRON)
    assert (facts.tracked, facts.ignored, facts.commit) == (False, False, None)
    assert "cut off" in str(facts.problem)


@pytest.mark.parametrize("name", ["*.env", ":(top)keys.env", "-x", "[k]eys.env", "wörter env", "a\nb"])
def test_names_are_names_and_no_patterns(project: Path, git: Git, name: str) -> None:
    """A file called `*.env` is not tracked because another one is."""
    git("init")
    git("add", NAME)
    (project / ".gitignore").write_text("/keys.env\n")
    (project / name).write_text("A=1\n")
    facts = look_up(project / name, ENVIRON)
    assert facts == GitFacts(repository=True, tracked=False, ignored=False, commit="")
    git("--literal-pathspecs", "add", "--", name)
    assert look_up(project / name, ENVIRON).tracked is True


def test_the_environment_cannot_mean_another_repository(project: Path, git: Git, tmp_path: Path) -> None:
    """Within a hook, GIT_DIR and GIT_INDEX_FILE are set; secrets of ours don't reach git at all."""
    git("init")
    git("add", NAME)
    other = tmp_path / "other"
    other.mkdir()
    written = tmp_path / "environment"
    spy = script(tmp_path / "spy", f'env > {written}\nexec git "$@"')
    environ = ENVIRON | {"GIT_DIR": str(other), "GIT_INDEX_FILE": str(other / "i"), "SUPABASE_JWT_SECRET": "hunter2"}
    assert look_up(project / NAME, environ, git=spy).tracked is True
    assert "hunter2" not in written.read_text()
    assert "GIT_DIR" not in written.read_text()


def test_nothing_of_the_repository_s_own_is_run(project: Path, git: Git, tmp_path: Path) -> None:
    """A repository can name programs; asking about a file runs none of them."""
    git("init")
    git("add", NAME)
    git("commit", "-m", "x")
    trace = tmp_path / "trace"
    program = script(tmp_path / "program", f"touch {trace}")
    for setting in ("core.fsmonitor", "core.pager", "diff.external", "core.sshCommand"):
        git("config", setting, program)
    assert look_up(project / NAME, ENVIRON).tracked is True
    assert not trace.exists()


def test_a_repository_that_git_refuses_cannot_be_told(project: Path) -> None:
    """Broken, or somebody else's: that is no 'not in a repository'."""
    (project / ".git").write_text("gitdir: /nonexistent\n")
    facts = look_up(project / NAME, ENVIRON)
    assert (facts.repository, facts.tracked) == (None, None)
    assert facts.problem == "'git rev-parse' ended with code 128"


def test_a_file_in_git_s_own_folder_is_in_no_working_tree(project: Path, git: Git) -> None:
    """It can't be added from there."""
    git("init")
    (project / ".git" / NAME).write_text("A=1\n")
    assert look_up(project / ".git" / NAME, ENVIRON) == GitFacts(repository=False)


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        (None, "git is not installed"),
        ("exec sleep 30", "took longer than 0.2 s"),
        ('case "$*" in *rev-parse*) echo true;; *) exit 3;; esac', "'git ls-files' ended with code 3"),
    ],
)
def test_a_git_that_does_not_answer_is_said(project: Path, git: Git, program: str | None, problem: str) -> None:
    """Missing, stuck or failing: what it would have said isn't known."""
    git("init")
    path = script(project / "fake", program) if program else "/nonexistent/git"
    facts = look_up(project / NAME, ENVIRON, git=path, timeout=0.2 if program and "sleep" in program else 20)
    assert facts.tracked is None
    assert problem in str(facts.problem)


def test_a_git_that_may_not_be_run_is_said(project: Path, git: Git) -> None:
    """The system's own words say why."""
    git("init")
    (project / "fake").write_text("")
    assert look_up(project / NAME, ENVIRON, git=str(project / "fake")).problem == "git can't be run: Permission denied"
