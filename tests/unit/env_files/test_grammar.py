"""How an env file falls into names and values, beyond the recorded cases: after compose-go's `dotenv/parser.go`."""

import pytest

from tickctl.core.secrets.env_files import EnvFile, RefusalKind, effective, read, values
from tickctl.errors import ConfigurationError


def taken(*texts: str) -> dict[str, str]:
    """Read files without a shell."""
    files = [EnvFile(f"{number}.env", text) for number, text in enumerate(texts, start=1)]
    return {name: value.reveal() for name, value in values(read(files)).items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("K=v", {"K": "v"}),
        ("\n\n  # c\n#c\n\tK=v\n#", {"K": "v"}),
        ("K\t =\tv", {"K": "v"}),
        ("K:v:w=x", {"K": "v:w=x"}),
        ("K: 'v' # c", {"K": "v"}),
        ("K==v", {"K": "=v"}),
        ("K=a # b # c", {"K": "a"}),
        ("K=a\xa0#b", {"K": "a\xa0#b"}),
        ("K=a\xa0", {"K": "a"}),
        ("K=\u2003a", {"K": "\u2003a"}),
        ("\u2003K=a\u2003", {"K": "a"}),
        ("K=a\x1c", {"K": "a\x1c"}),
        ("K=a\rb", {"K": "a\rb"}),
        ("K=\r\nL=1\r\n", {"K": "", "L": "1"}),
        ("K=\nL=w\n", {"K": "", "L": "w"}),
        ("K='v'\r\nL=1", {"K": "v", "L": "1"}),
        ("K='v'#c\nL=1", {"K": "v", "L": "1"}),
        ("K='v'\u2003# c\nL=1", {"K": "v", "L": "1"}),
        ("K=''\nL=\"\"", {"K": "", "L": ""}),
        ("K='a # b'", {"K": "a # b"}),
        ("K= 'v'", {"K": "v"}),
        ("K=x'v'", {"K": "x'v'"}),
        ("K=`v`", {"K": "`v`"}),
        ("export K=v", {"K": "v"}),
        ("export\t\v K=v", {"K": "v"}),
        ("exportK=v", {"exportK": "v"}),
        ("export.K=v", {"export.K": "v"}),
        ("A.b-C[0]_=v", {"A.b-C[0]_": "v"}),
        ("\u03b1\u00b2\u0663=v", {"\u03b1\u00b2\u0663": "v"}),
    ],
)
def test_statement_is_read_as_compose_reads_it(text: str, expected: dict[str, str]) -> None:
    """White space, comments, `export`, names and where an unquoted value ends."""
    assert taken(text) == expected


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"'a\'b'", "a'b"),
        (r"'a\\'", r"a\\"),
        (r"'\\\''", r"\\'"),
        (r"'a\nb\"c'", r"a\nb\"c"),
        ("'$A ${A:-b} $$'", "$A ${A:-b} $$"),
        (r'"\a\b\f\n\r\t\v"', "\a\b\f\n\r\t\v"),
        (r'"\c"', r"\c"),
        (r'"\x41\u0041"', r"\x41\u0041"),
        (r'"a\\nb"', r"a\nb"),
        (r'"\\\"n"', r"\"n"),
        (r'"\$A"', "$A"),
        (r'"\\$$"', r"\$"),
        (r'"\0101\0377"', "A\xff"),
        (r'"\0400"', r"\400"),
        (r'"\08\012\0"', r"\8\12" + "\\"),
        (r'"\00411"', "!1"),
        (r'"\0044\0044"', "$"),
        ('"a\'b"', "a'b"),
        ("'a\"b'", 'a"b'),
        (r"a\nb\t", r"a\nb\t"),
    ],
)
def test_backslash_means_what_it_means_to_compose(written: str, value: str) -> None:
    """Go's escape sequences in double quotes, octal ones with their lost zero; next to nothing elsewhere."""
    assert taken(f"K={written}\nL=1\n") == {"K": value, "L": "1"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("K=1\nA B=2", 2),
        ("A\tB=2", 1),
        ("A\xa0B=2", 1),
        ("A B\nK=1", 1),
        ("\u2003\n\nK%", 3),
        ("K=1\n'A'=2", 2),
        ("A\u0300=2", 1),
        ("A\u2003=2", 1),
        ("A\0=2", 1),
        ("A=1\nK='a\nb", 2),
        ('A=1\nK="a\\"\nB=2', 2),
        ("A=1\nK='a\nb' c\n", 3),
        ("K='a'L=1", 1),
        ("K='a'\x1c\n", 1),
        ("A=1\nK=a\ud800b", 2),
        ("\ufeff\ufeffK=1", 1),
    ],
)
def test_file_that_cannot_be_read_is_refused_by_its_line(text: str, line: int) -> None:
    """Compose refuses these as well, or makes a name of what follows a closing quote."""
    with pytest.raises(ConfigurationError, match=rf"^1\.env:{line}: ") as caught:
        taken(text)
    assert caught.value.hint


@pytest.mark.parametrize("space", [" ", "\t", "\xa0"])
def test_white_space_in_a_name_is_called_so(space: str) -> None:
    """The usual slip: a line that is no assignment."""
    with pytest.raises(ConfigurationError, match="white space where a name is expected"):
        taken(f"A{space}B=1")


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("=v", "", RefusalKind.UNUSABLE),
        (":v", "", RefusalKind.UNUSABLE),
        ("=", "", RefusalKind.UNUSABLE),
        ("export\nL=1", "", RefusalKind.NO_VALUE),
        ("export API_KEY\nL=1", "API_KEY", RefusalKind.NO_VALUE),
        ("L=1\nA_1 \t", "A_1", RefusalKind.NO_VALUE),
        ("K=1\nK", "K", RefusalKind.NO_VALUE),
        ("K='a\0b'", "K", RefusalKind.UNUSABLE),
        (r'K="\0000"', "K", RefusalKind.UNUSABLE),
    ],
)
def test_assignment_that_gives_no_certain_value_is_refused(text: str, name: str, kind: RefusalKind) -> None:
    """A container can't be given it, or Compose would ask the shell; the rest of the file is read all the same."""
    entry = effective(read([EnvFile("x.env", text)]))[name]
    assert entry.value is None
    assert entry.refusal
    assert entry.refusal.kind is kind


def test_each_assignment_is_returned_with_its_place() -> None:
    """Line breaks in values count; whoever looks for a key finds it."""
    files = [EnvFile("a.env", "\n#c\nA='1\n2'\nB=3\r\n\nA=4"), EnvFile("b.env", "\ufeffA=5")]
    places = [(entry.name, entry.file, entry.line) for entry in read(files)]
    assert places == [("A", "a.env", 3), ("B", "a.env", 5), ("A", "a.env", 7), ("A", "b.env", 1)]


def test_later_assignment_overrides_earlier_one() -> None:
    """In a file and from file to file; an empty one as well."""
    assert taken("A=1\nB=1\nC=1\nA=2", "B=\nC=3") == {"A": "2", "B": "", "C": "3"}
