"""How findings are shown, and which exit code they deserve."""

import json

import pytest

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.findings import present
from tickctl.cli.console.output import Output, Style
from tickctl.cli.console.run import BackendName, IdentityName, Run
from tickctl.core.findings import Finding, Result

FAIL = Finding("key", Result.FAIL, "a key", "it is weak", "make another")
PASS = Finding("door", Result.PASS, "the front door", "it is closed")
WARNING = Finding("key", Result.WARNING, "another key", "it is old", "make another")
UNKNOWN = Finding("door", Result.CANNOT_TELL, "the back door", "nobody could look")
NOTHING = Finding("window", Result.NOT_APPLICABLE, "windows", "there are none")


def run(**style: bool) -> Run:
    """Return a run in a style."""
    return Run(Output(Style(**style)), BackendName.AUTO, IdentityName.AUTO, None)


def shown(capsys: pytest.CaptureFixture[str], *findings: Finding, **style: bool) -> tuple[str, str]:
    """Present findings by their codes; return what was written on stdout and stderr."""
    present(run(**style), findings, heading=lambda finding: finding.code)
    written = capsys.readouterr()
    return written.out, written.err


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], ExitCode.YES),
        ([PASS, NOTHING, WARNING], ExitCode.YES),
        ([PASS, UNKNOWN], ExitCode.CANNOT_TELL),
        ([PASS, UNKNOWN, FAIL], ExitCode.NO),
    ],
)
@pytest.mark.parametrize("style", ["json", "terminal", "quiet"])
def test_exit_code_is_the_worst(findings: list[Finding], code: ExitCode, style: str) -> None:
    """However they are shown."""
    assert present(run(**{style: True}), findings, heading=lambda _: "all") is code


def test_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    """And what the command adds to the document and to each finding."""
    present(
        run(json=True),
        iter([FAIL, PASS]),
        heading=lambda finding: finding.code,
        about={"profile": "local"},
        extra=lambda finding: {"severity": finding.code},
    )
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "profile": "local",
        "findings": [
            {"code": "key", "result": "fail", "subject": "a key", "message": "it is weak", "mend": "make another"}
            | {"severity": "key"},
            {"code": "door", "result": "pass", "subject": "the front door", "message": "it is closed", "mend": None}
            | {"severity": "door"},
        ],
    }


@pytest.mark.parametrize(("findings", "ok"), [([PASS], True), ([UNKNOWN], None), ([UNKNOWN, FAIL], False)])
def test_json_says_whether_all_is_well(
    capsys: pytest.CaptureFixture[str], findings: list[Finding], ok: bool | None
) -> None:
    """Null is what can't be told."""
    out, err = shown(capsys, *findings, json=True)
    assert json.loads(out)["ok"] is ok
    assert err == ""


def test_pipe_gets_lines_and_the_sum_beside_them(capsys: pytest.CaptureFixture[str]) -> None:
    """One finding a line, under the names of the fields; empty where there is nothing to do."""
    out, err = shown(capsys, PASS, FAIL)
    assert out.splitlines() == [
        "code\tresult\tsubject\tmessage\tmend",
        "door\tpass\tthe front door\tit is closed\t",
        "key\tfail\ta key\tit is weak\tmake another",
    ]
    assert err == "1 failure, 1 check passed\n"
    assert shown(capsys) == ("code\tresult\tsubject\tmessage\tmend\n", "nothing was looked at\n")


def test_groups_keep_their_order_and_end_with_the_worst(capsys: pytest.CaptureFixture[str]) -> None:
    """What matters stands last in its group."""
    out, _ = shown(capsys, FAIL, UNKNOWN, WARNING, PASS, NOTHING)
    codes = [line.split("\t")[0:2] for line in out.splitlines()[1:]]
    assert codes == [
        ["key", "warning"],
        ["key", "fail"],
        ["door", "pass"],
        ["door", "cannot_tell"],
        ["window", "not_applicable"],
    ]


def test_terminal_shows_groups_words_and_mends(capsys: pytest.CaptureFixture[str]) -> None:
    """And sums up in the end."""
    out, err = shown(capsys, FAIL, PASS, UNKNOWN, NOTHING, terminal=True)
    assert out.splitlines() == [
        "key",
        "  FAIL         a key: it is weak",
        "               mend: make another",
        "",
        "door",
        "  ok           the front door: it is closed",
        "  cannot tell  the back door: nobody could look",
        "",
        "window",
        "  -            windows: there are none",
        "",
        "1 failure, 1 thing that can't be told, 1 check passed, 1 not applicable",
    ]
    assert err == ""


def test_terminal_folds_what_is_alike(capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred tasks that are well are one line; of those that aren't, each is named."""
    well = [Finding("task", Result.PASS, f"task {number}", "it is new") for number in range(5)]
    ill = [Finding("task", Result.FAIL, f"task {number}", "it is old", "deploy") for number in range(5, 10)]
    out, _ = shown(capsys, *well, *ill, terminal=True)
    assert "task 0; task 1 and 3 more: it is new" in out
    assert "task 5; task 6; task 7; task 8; task 9: it is old" in out
    assert out.count("deploy") == 1
    assert "5 failures, 5 checks passed" in out
    three, _ = shown(capsys, *well[:3], terminal=True)
    assert "task 0; task 1; task 2: it is new" in three


@pytest.mark.parametrize(("finding", "colour"), [(FAIL, 31), (UNKNOWN, 33), (WARNING, 33), (PASS, 32)])
def test_colours_say_how_bad_it_is(capsys: pytest.CaptureFixture[str], finding: Finding, colour: int) -> None:
    """Red, yellow and green; the sum has that of the whole."""
    out, _ = shown(capsys, finding, terminal=True, colour=True)
    assert f"\033[1;{colour}m" in out
    assert f"\033[1;{32 if finding is WARNING else colour}m1 " in out


def test_quiet_leaves_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """The sum is a notice in a pipe."""
    out, err = shown(capsys, FAIL, quiet=True)
    assert "it is weak" in out
    assert err == ""
