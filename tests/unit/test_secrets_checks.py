"""What `tickctl secrets check` finds in env files, and what it leaves alone."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickctl.core.secret import Secret
from tickctl.core.secrets.checks import (
    BuildContext,
    Check,
    Expectations,
    FileFacts,
    Finding,
    GitFacts,
    Purpose,
    Result,
    check_entries,
    placed,
    unreadable,
    unsafe,
    verdict,
)
from tickctl.core.secrets.checks.content import is_placeholder
from tickctl.core.secrets.checks.places import excludes
from tickctl.core.secrets.env_files import Entry, EnvFile, Refusal, RefusalKind
from tickctl.errors import ConfigurationError

GOOD = "Zk3vQ9xT7mB2nR8wL5pY1cJ6hD4gF0sA"
IGNORED = GitFacts(repository=True, tracked=False, ignored=True, commit="")


def jwt(**claims: str) -> str:
    """Return something with the form of a signed token."""
    parts = [json.dumps({"alg": "HS256"}), json.dumps(claims), "signature"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


def entries(*pairs: tuple[str, str], file: str = "keys.env") -> tuple[Entry, ...]:
    """Return assignments, one in each line of a file."""
    return tuple(Entry(name, Secret(value), file, line) for line, (name, value) in enumerate(pairs, 1))


def found(*pairs: tuple[str, str], purpose: Purpose = Purpose.PRODUCTION, **expected: object) -> list[Finding]:
    """Return what the checks say of these assignments."""
    return list(check_entries(entries(*pairs), Expectations(**expected), purpose))  # type: ignore[arg-type]


def codes(findings: Iterable[Finding]) -> list[tuple[Check, Result]]:
    """Return check and result of each finding."""
    return [(finding.check, finding.result) for finding in findings]


def facts(**changed: object) -> FileFacts:
    """Return the facts about a file that is all right, but for what is changed."""
    usual: dict[str, object] = {
        "name": "services/keys.env",
        "mode": 0o100600,
        "owned": True,
        "leads_to": None,
        "git": IGNORED,
    }
    return FileFacts(**(usual | changed))  # type: ignore[arg-type]


SWITCH = "SUPABASE_ALLOW_UNCONFIRMED"
CURRENT, PREVIOUS = "SUPABASE_JWT_SECRET", "SUPABASE_JWT_SECRET_PREVIOUS"
DEMO = "super-secret-jwt-token-with-at-least-32-characters-long"
UNSET = (Entry("A", None, "keys.env", 1, Refusal(RefusalKind.UNSET, "B")),)
LISTED = {"listed": ("A", "B"), "source": "keys.env.example"}
CONTEXT = BuildContext("services", "services/.dockerignore", excluded=False)

# For each check: what makes it speak, and how; and what is next to it and does not.
CASES: Mapping[Check, tuple[Callable[[], Iterable[Finding]], Result, Callable[[], Iterable[Finding]]]] = {
    Check.DUPLICATE: (
        lambda: found(("A", "1"), ("A", "1")),
        Result.WARNING,
        lambda: found(("A", "1"), ("a", "1")),
    ),
    Check.OVERRIDDEN: (
        lambda: check_entries((*entries(("A", "1"), file="1.env"), *entries(("A", "2"))), Expectations()),
        Result.NOTE,
        lambda: check_entries((*entries(("A", "1"), file="1.env"), *entries(("B", "2"))), Expectations()),
    ),
    Check.REFUSED: (
        lambda: check_entries(UNSET, Expectations()),
        Result.FAIL,
        lambda: found(("A", "$B")),
    ),
    Check.UNSTORABLE: (lambda: found(("A[0]\u00e9", "1")), Result.FAIL, lambda: found(("A-0", "1"))),
    Check.PLACEHOLDER: (lambda: found(("A", "changeme")), Result.FAIL, lambda: found(("A", "changed"))),
    Check.EXAMPLE_VALUE: (
        lambda: found(("API_KEY", "abc"), examples={"API_KEY": {Secret("abc")}}),
        Result.FAIL,
        lambda: found(("LOG_LEVEL", "abc"), ("API_KEY", "d"), examples={"LOG_LEVEL": {Secret("abc")}}),
    ),
    Check.REQUIRED: (lambda: found(("A", "1"), **LISTED), Result.FAIL, lambda: found(("A", "1"), ("B", ""), **LISTED)),
    Check.EMPTY: (
        lambda: found(("A", "1"), ("B", ""), **LISTED),
        Result.NOTE,
        lambda: found(("A", "1"), ("B", "2"), ("C", ""), **LISTED),
    ),
    Check.ALLOW_UNCONFIRMED: (lambda: found((SWITCH, "TRUE")), Result.FAIL, lambda: found((SWITCH, "false"))),
    Check.DEMO_SECRET: (lambda: found((CURRENT, DEMO)), Result.FAIL, lambda: found((CURRENT, GOOD))),
    Check.WEAK_SECRET: (lambda: found((CURRENT, GOOD[:31])), Result.FAIL, lambda: found((CURRENT, GOOD))),
    Check.PREVIOUS_SECRET_SAME: (
        lambda: found((CURRENT, GOOD), (PREVIOUS, GOOD)),
        Result.FAIL,
        lambda: found((CURRENT, GOOD), (PREVIOUS, GOOD[::-1])),
    ),
    Check.PREVIOUS_SECRET: (
        lambda: found((CURRENT, GOOD), (PREVIOUS, GOOD[::-1])),
        Result.NOTE,
        lambda: found((CURRENT, GOOD), (PREVIOUS, "")),
    ),
    Check.ADMIN_CREDENTIAL: (
        lambda: found(("SUPABASE_DB_URL", "postgresql://h/db")),
        Result.FAIL,
        lambda: found(("SUPABASE_URL", "https://h.example"), ("SUPABASE_ANON_KEY", jwt(role="anon"))),
    ),
    Check.AWS_CREDENTIAL: (
        lambda: found(("AWS_SECRET_ACCESS_KEY", GOOD)),
        Result.FAIL,
        lambda: found(("AWS_REGION", "eu-west-1")),
    ),
    Check.TRACKED: (
        lambda: placed(facts(git=GitFacts(repository=True, tracked=True, ignored=True, commit="a" * 40))),
        Result.FAIL,
        lambda: placed(facts()),
    ),
    Check.NOT_IGNORED: (
        lambda: placed(facts(git=GitFacts(repository=True, tracked=False, ignored=False, commit=""))),
        Result.FAIL,
        lambda: placed(facts(git=GitFacts(repository=True, tracked=True, ignored=False, commit=""))),
    ),
    Check.IN_HISTORY: (
        lambda: placed(facts(git=GitFacts(repository=True, tracked=False, ignored=True, commit="a" * 40))),
        Result.WARNING,
        lambda: placed(facts()),
    ),
    Check.BUILD_CONTEXT: (
        lambda: placed(facts(contexts=(CONTEXT,))),
        Result.WARNING,
        lambda: placed(facts(contexts=(BuildContext("services", "x", excluded=True),))),
    ),
    Check.READABLE: (lambda: placed(facts(mode=0o100640)), Result.WARNING, lambda: placed(facts(mode=0o100700))),
    Check.WRITABLE: (lambda: placed(facts(mode=0o100602)), Result.FAIL, lambda: placed(facts(mode=0o100644))),
    Check.OWNER: (lambda: placed(facts(owned=False)), Result.WARNING, lambda: placed(facts())),
    Check.SYMLINK: (lambda: placed(facts(leads_to="/x")), Result.NOTE, lambda: placed(facts())),
    Check.NO_REPOSITORY: (
        lambda: placed(facts(git=GitFacts(repository=False))),
        Result.NOTE,
        lambda: placed(facts(git=GitFacts(repository=None, problem="x"))),
    ),
    Check.GIT: (
        lambda: placed(facts(git=GitFacts(repository=None, problem="x"))),
        Result.CANNOT_TELL,
        lambda: placed(facts(git=GitFacts(repository=False))),
    ),
}


@pytest.mark.parametrize("check", CASES)
def test_each_check_speaks_and_keeps_silent(check: Check) -> None:
    """Once for what it is about, with the result that decides the exit code; not for what is next to it."""
    speaks, result, silent = CASES[check]
    assert [finding.result for finding in speaks() if finding.check is check] == [result]
    assert [finding for finding in silent() if finding.check is check] == []


def test_findings_say_where_and_what_to_do() -> None:
    """Whoever reads one needs no other page."""
    (finding,) = found(("A", "1"), ("B", "changeme"))
    assert (finding.file, finding.line, finding.key) == ("keys.env", 2, "B")
    assert finding.message == "B still has a placeholder for its value"
    assert finding.mend


@pytest.mark.parametrize(
    "value",
    [
        "changeme",
        "CHANGE-ME!",
        "change_me_please",
        "replace-this",
        "your-anon-key",
        "your_secret_here",
        "<password>",
        "amqp://gateway:<password>@rabbitmq/",
        "[YOUR-PASSWORD]",
        "postgresql://postgres:[YOUR-PASSWORD]@db.example:5432/postgres",
        "{{ api_key }}",
        "...",
        "sb_publishable_...",
        "…",
        "xxxx",
        "XXXXXXXX",
        "todo",
        "TBD",
        "placeholder",
        "***",
        "insert-your-key-here",
        "  changeme  ",
    ],
)
def test_placeholders_are_recognised(value: str) -> None:
    """What examples and wikis put where a value is to come."""
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "false",
        "gateway",
        "my-service",
        "https://project.example/path...x",
        "a<b>c",
        "1 < 2 > 0",
        "Ops <ops@example.com>",
        "todos",
        GOOD,
        "yourself",
        "exchange-metals",
        '{"a": {"b": 1}}',
    ],
)
def test_real_values_are_no_placeholders(value: str) -> None:
    """A false alarm would have to be forced, and forcing becomes a habit."""
    assert not is_placeholder(value)


@pytest.mark.parametrize("user", ["authenticator", "authenticator.abcdefghijklmnopqrst"])
def test_a_gateway_without_the_api_may_have_its_connection(user: str) -> None:
    """As the role of the API itself, which docs/GATEWAY.md advises."""
    assert unsafe(entries(("SUPABASE_DB_URL", f"postgresql://{user}:pass@db.example/postgres"))) == ()


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        (CURRENT, "your-super-secret-jwt-token-with-at-least-32-characters-long", Check.PLACEHOLDER),
        (CURRENT, DEMO, Check.DEMO_SECRET),
        (PREVIOUS, DEMO, Check.DEMO_SECRET),
        (PREVIOUS, GOOD[:31], Check.WEAK_SECRET),
        (SWITCH, "anything", Check.ALLOW_UNCONFIRMED),
        ("OTHER", DEMO, Check.DEMO_SECRET),
        ("SUPABASE_ANON_KEY", jwt(iss="supabase-demo", role="anon"), Check.DEMO_SECRET),
        (CURRENT, "ab" * 40, Check.WEAK_SECRET),
        (CURRENT, "-----BEGIN PUBLIC KEY-----\n" + GOOD, Check.WEAK_SECRET),
        ("SUPABASE_ANON_KEY", jwt(role="service_role"), Check.ADMIN_CREDENTIAL),
        ("ANYTHING", "sb_secret_0123456789abcdef", Check.ADMIN_CREDENTIAL),
        ("TICKCTL_ADMIN_TOKEN", "x", Check.ADMIN_CREDENTIAL),
        ("SUPABASE_SECRET_KEY", "x", Check.ADMIN_CREDENTIAL),
        ("SUPABASE_DB_URL", "postgresql://postgres.abcdefghijklmnopqrst:x@db.example/postgres", Check.ADMIN_CREDENTIAL),
        ("SUPABASE_DB_URL", "postgresql://authenticator@postgres@db.example/x", Check.ADMIN_CREDENTIAL),
        ("SUPABASE_DB_URL", "postgresql://[authenticator", Check.ADMIN_CREDENTIAL),
        ("SUPABASE_DB_URL", "postgresql://authenticator:x@db.example/x?user=postgres", Check.ADMIN_CREDENTIAL),
        ("BUCKET_USER", "AKIAIOSFODNN7EXAMPLE", Check.AWS_CREDENTIAL),
        ("AWS_SESSION_TOKEN", "x", Check.AWS_CREDENTIAL),
    ],
)
def test_unsafe_values_stop_a_push(name: str, value: str, check: Check) -> None:
    """By name, or by what the value is, whatever it is called."""
    stopped = unsafe(entries((name, value)))
    assert check in {finding.check for finding in stopped}
    assert value not in repr(stopped)


@pytest.mark.parametrize("value", ["a.b.c", "..", "e30.e30", "\udcff.\udcff.\udcff", f"x.{'A' * 9}.y"])
def test_values_that_only_look_like_tokens_are_left_alone(value: str) -> None:
    """Whatever can't be read as claims makes none."""
    assert unsafe(entries(("A", value))) == ()


def test_ordinary_files_can_be_pushed() -> None:
    """Nothing stops what is in order, and notes and warnings stop nothing."""
    both = (*entries(("A", "1"), ("A", "2"), (CURRENT, GOOD), (PREVIOUS, GOOD[::-1])), Entry("R", None, "x", 1))
    assert unsafe(both, Expectations(listed=("A",))) == ()


def test_every_failure_of_a_value_stops_a_push() -> None:
    """What is refused or can't be stored, the push finds out by itself."""
    both = entries((CURRENT, GOOD), (PREVIOUS, GOOD), ("API_KEY", "abc"))
    stopped = unsafe(both, Expectations(examples={"API_KEY": {Secret("abc")}}, required=("X",)))
    assert {finding.check for finding in stopped} == {Check.PREVIOUS_SECRET_SAME, Check.EXAMPLE_VALUE, Check.REQUIRED}


def test_only_values_that_count_are_judged() -> None:
    """A development switch that a later file takes back isn't pushed."""
    assert unsafe((*entries((SWITCH, "true"), file="a"), *entries((SWITCH, "false"), file="b"))) == ()


def test_all_refusals_are_listed() -> None:
    """Push names the first; here is the whole list, and what a later line overrides is but a warning."""
    lines = (*UNSET, Entry("", None, "x", 2, Refusal(RefusalKind.NO_VALUE)), Entry("A", None, "x", 3, UNSET[0].refusal))
    unnamed = Entry("", None, "x", 4, Refusal(RefusalKind.NO_VALUE))
    findings = list(check_entries((*lines, unnamed), Expectations()))
    listed = [finding for finding in findings if finding.check is Check.REFUSED]
    assert [finding.key for finding in findings if finding.check is Check.DUPLICATE] == []
    assert [(finding.line, finding.key, finding.result.value) for finding in listed] == [
        (1, "A", "warning"),
        (2, None, "fail"),
        (3, "A", "fail"),
        (4, None, "fail"),
    ]
    assert "keys.env:1" not in listed[0].message


def test_too_much_for_one_secret_is_said() -> None:
    """Secrets Manager takes 65 536 bytes in all."""
    (finding,) = found(("A", "y" * 65_536))
    assert (finding.check, finding.key) == (Check.UNSTORABLE, None)
    assert "65" in finding.message


def test_required_names_must_have_a_value() -> None:
    """An example's empty name says that it may be left empty; a profile's required one doesn't."""
    assert codes(unsafe(entries(("A", "")), Expectations(required=("A",)))) == [(Check.REQUIRED, Result.FAIL)]
    assert codes(unsafe((), Expectations(required=("A",)))) == [(Check.REQUIRED, Result.FAIL)]
    assert unsafe(entries(("A", "")), Expectations(listed=("A",))) == ()
    assert unsafe((Entry("A", None, "keys.env", 1),), Expectations(required=("A",))) == ()


@pytest.mark.parametrize("pair", [(SWITCH, "true"), (CURRENT, DEMO), ("K", jwt(iss="supabase-demo", role="anon"))])
def test_development_is_noted_but_not_refused_where_it_belongs(pair: tuple[str, str]) -> None:
    """On one's own machine the demo secret and the switch do no harm."""
    assert {result for _, result in codes(found(pair, purpose=Purpose.LOCAL))} == {Result.NOTE}
    assert {result for _, result in codes(found(pair))} == {Result.FAIL}


def test_a_service_role_key_is_refused_locally_as_well() -> None:
    """The gateway has no use for it anywhere."""
    assert codes(found(("K", jwt(role="service_role")), purpose=Purpose.LOCAL)) == [
        (Check.ADMIN_CREDENTIAL, Result.FAIL)
    ]


@given(st.lists(st.tuples(st.sampled_from([SWITCH, CURRENT, PREVIOUS, "A_KEY"]), st.text(), st.text())))
def test_no_finding_holds_a_value(parts: list[tuple[str, str, str]]) -> None:
    """Whatever the values are: findings go to logs and to CI."""
    pairs = [(name, f"{before}hunter2{after}") for name, before, after in parts]
    assert "hunter2" not in repr(found(*pairs)) + repr(unsafe(entries(*pairs)))


@pytest.mark.parametrize(
    ("results", "strict", "expected"),
    [
        ([], False, True),
        ([Result.NOTE, Result.WARNING], False, True),
        ([Result.NOTE], True, True),
        ([Result.WARNING], True, False),
        ([Result.CANNOT_TELL, Result.WARNING], False, None),
        ([Result.CANNOT_TELL], True, None),
        ([Result.CANNOT_TELL, Result.FAIL], False, False),
    ],
)
def test_cannot_tell_is_neither_yes_nor_no(results: list[Result], strict: bool, expected: bool | None) -> None:
    """A failure outranks it, and nothing makes a yes of it."""
    findings = [Finding(Check.GIT, result, "x") for result in results]
    assert verdict(findings, strict=strict) is expected


def test_unknown_ignore_rules_cannot_be_told() -> None:
    """A line that nobody understands may mean the file."""
    unclear = BuildContext(".", ".dockerignore", excluded=None)
    assert codes(placed(facts(contexts=(unclear,)))) == [(Check.BUILD_CONTEXT, Result.CANNOT_TELL)]


def test_what_git_could_not_say_is_no_pass() -> None:
    """Half an answer is told as far as it goes, and the rest as not known."""
    half = GitFacts(repository=True, tracked=True, ignored=None, commit=None, problem="it took too long")
    assert codes(placed(facts(git=half))) == [(Check.TRACKED, Result.FAIL), (Check.GIT, Result.CANNOT_TELL)]


def test_every_check_has_a_meaning_and_a_stable_code() -> None:
    """Scripts select by code; people read the meaning."""
    assert len({check.value for check in Check}) == len(Check)
    assert all(check.meaning and check.value == check.value.lower().replace("_", "-") for check in Check)


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("", "services/keys.env", False),
        ("services/keys.env", "services/keys.env", True),
        ("/services/keys.env\n", "services/keys.env", True),
        ("./services/keys.env", "services/keys.env", True),
        ("\ufeffservices", "services/keys.env", True),
        ("services/", "services/keys.env", True),
        ("keys.env", "services/keys.env", False),
        ("**/keys.env", "services/keys.env", True),
        ("**/keys.env", "keys.env", True),
        ("**/*.env", "a/b/keys.env", True),
        ("*.env", "services/keys.env", False),
        ("*/*.env", "services/keys.env", True),
        ("*", "services/keys.env", True),
        ("**", "services/keys.env", True),
        ("services/**", "services/keys.env", True),
        ("service?", "services/keys.env", True),
        ("service?", "service/keys.env", False),
        ("services?keys.env", "services/keys.env", False),
        ("[r-t]ervices", "services/keys.env", True),
        ("[^s]ervices", "services/keys.env", False),
        ("services/keys\\.env", "services/keys.env", True),
        ("keys+env", "keysenv", False),
        ("# services", "services/keys.env", False),
        ("services\n!services/keys.env", "services/keys.env", False),
        ("!services/keys.env\nservices", "services/keys.env", True),
        ("*\n!services", "services/keys.env", False),
        ("*\n!services\nservices/keys.env", "services/keys.env", True),
        ("! services\n  services  \n", "services/keys.env", True),
        (".", "keys.env", False),
        ("!\n/\n", "keys.env", False),
        ("a/../services", "services/keys.env", True),
        (".env", "services/.env", False),
        ("**/.env", "services/.env", True),
        ("[", "keys.env", None),
        ("x\\", "keys.env", None),
        ("[z-a]", "keys.env", None),
    ],
)
def test_dockerignore_means_what_docker_means(text: str, path: str, expected: bool | None) -> None:
    """The last line that fits decides, folders take along what is in them, and names match from the root only."""
    assert excludes(text, path) is expected


@given(st.text(alphabet="ab/*?[]^-!\\.#\n "), st.sampled_from(["a", "a/b", "a/b/.b"]))
def test_any_dockerignore_has_an_answer(text: str, path: str) -> None:
    """Yes, no, or can't tell: never an error."""
    assert excludes(text, path) in {True, False, None}


def test_an_error_without_a_place_is_a_failure_all_the_same() -> None:
    """Whatever stops the reading."""
    finding = unreadable(ConfigurationError("too much", hint="less"), [EnvFile("keys.env", "")])
    assert (finding.result, finding.message, finding.file) == (Result.FAIL, "too much", None)


def test_every_check_is_tried() -> None:
    """The two that need whole files are tried with the command."""
    assert set(CASES) == set(Check) - {Check.UNREADABLE, Check.READ_DIFFERENTLY}
