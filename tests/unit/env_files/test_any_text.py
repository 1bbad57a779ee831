"""Whatever a file says, reading it fails in one way only, and says nothing of the values."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tickctl.core.secrets.env_files import EnvFile, describe, read
from tickctl.errors import ConfigurationError

SHELL = {"HOME", "K"}
GRAMMAR = st.lists(
    st.sampled_from(
        [*"KL=:'\"\\$}{-+# \n\t\r\0\ufeff\x85\u2003\ud800\u00e9", "${", ":-", ":?", "export ", "HOME", "0101"]
    ),
    max_size=60,
).map("".join)

# No piece has a colon or an equals sign behind letters: those would be a name, as in any file.
SECRETS = st.text(st.sampled_from("qxzj79"), min_size=4, max_size=12)
PIECES = st.sampled_from(
    [
        " ",
        " #",
        "#",
        "$",
        "$$",
        "${",
        "}",
        "${K:-",
        "${N:?",
        "${K+",
        "'",
        '"',
        "\\",
        "\n",
        "\\n",
        "\t",
        "%",
        "/",
        "\0",
        "\\0",
    ]
)
BODIES = st.lists(SECRETS | PIECES, min_size=1, max_size=12)
ASSIGNMENTS = st.tuples(
    st.sampled_from(["K", "TOKEN", "export A_B", "c.d"]), st.sampled_from(["", "'", '"']), BODIES, st.booleans()
)


@settings(deadline=None)
@given(st.lists(st.text() | GRAMMAR, min_size=1, max_size=3))
def test_only_one_kind_of_error_comes_out(texts: list[str]) -> None:
    """Arbitrary text, and text made of what means something."""
    files = [EnvFile(f"{number}.env", text) for number, text in enumerate(texts)]
    try:
        entries = read(files, shell=SHELL)
    except ConfigurationError:
        return
    for entry in entries:
        assert (entry.value is None) == (entry.refusal is not None)
        assert 1 <= entry.line <= texts[int(entry.file.removesuffix(".env"))].count("\n") + 1


@settings(deadline=None)
@given(st.lists(ASSIGNMENTS, min_size=1, max_size=5))
def test_no_part_of_a_value_is_shown(assignments: list[tuple[str, str, list[str], bool]]) -> None:
    """Neither in errors nor in entries nor in what is said of refused ones, however badly the file is written."""
    lines = [f"{name}={quote}{''.join(body)}{quote if closed else ''}" for name, quote, body, closed in assignments]
    try:
        entries = read([EnvFile("s.env", "\n".join(lines))], shell=SHELL)
    except ConfigurationError as error:
        shown = f"{error.message} {error.hint}"
    else:
        shown = " ".join(f"{entry!r} {describe(entry.refusal, entry) if entry.refusal else ''}" for entry in entries)
    for _, _, body, _ in assignments:
        for secret in body:
            if len(secret) >= 4:
                assert secret not in shown
