"""Every check of the catalogue passes, fails and stays open where it should, and says so of itself alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from doctor_support import (
    AUTH_SETTINGS,
    FILE,
    GOOD_SECRET,
    ROWS,
    UNREAD,
    URL,
    answered,
    but,
    configured,
    given,
    healthy,
    in_database,
    in_file,
)
from standin.keys import ProjectKeys
from tickctl.core.doctor import Area, Check, area_of, judge
from tickctl.core.doctor.facts import Configuration, EnvFiles, Facts, Keys, Problem, Schema, StoredSecret
from tickctl.core.findings import Finding, Result, verdict
from tickctl.core.secrets.checks import Check as FileCheck
from tickctl.core.secrets.checks import Finding as FileFinding
from tickctl.core.secrets.checks import Purpose
from tickctl.core.secrets.checks import Result as FileResult

ROOT = Path(__file__).parents[3]


def of(check: Check, facts: Facts) -> list[Finding]:
    """Return what one check finds."""
    return [finding for finding in judge(facts) if finding.code == check]


def results(check: Check, facts: Facts) -> set[Result]:
    """Return how one check ends."""
    return {finding.result for finding in of(check, facts)}


def others(check: Check, facts: Facts) -> set[str]:
    """Return the codes of the other checks that find something to do."""
    bad = {Result.FAIL, Result.WARNING}
    return {finding.code for finding in judge(facts) if finding.result in bad} - {check}


def test_table_has_every_check() -> None:
    """A check without a passing, a failing and an unreadable case is no check."""
    assert set(ROWS) == set(Check)


@pytest.mark.parametrize("check", Check)
def test_check_passes_in_a_healthy_set_up(check: Check) -> None:
    """Or has nothing to judge there."""
    assert results(check, healthy()) == {ROWS[check].healthy}


@pytest.mark.parametrize("check", Check)
def test_check_names_its_fault_and_no_other(check: Check) -> None:
    """One fault, one finding, and what mends it."""
    facts = ROWS[check].failing(healthy())
    assert ROWS[check].worst in results(check, facts)
    assert others(check, facts) == set()
    assert all(finding.mend for finding in of(check, facts) if finding.result is ROWS[check].worst)


@pytest.mark.parametrize("check", Check)
def test_what_can_t_be_read_is_neither_a_pass_nor_a_fail(check: Check) -> None:
    """Cannot tell, and the whole is no yes."""
    facts = ROWS[check].unreadable(healthy())
    unproven = results(check, facts) - ({Result.PASS} if check is Check.CONNECTION_URL else set())  # of other URLs
    assert unproven == {Result.CANNOT_TELL}
    assert verdict(judge(facts)) is None


@pytest.mark.parametrize("facts", [healthy(), Facts(Purpose.LOCAL, Configuration())], ids=["healthy", "bare"])
def test_every_check_says_something(facts: Facts) -> None:
    """A look that is missing must not be mistaken for a pass; and they come in the order of the catalogue."""
    codes = list(dict.fromkeys(finding.code for finding in judge(facts)))
    assert codes == list(Check)


def test_unreadable_settings_leave_every_check_open() -> None:
    """Nothing is judged by half of the settings."""
    for settings in (Problem("it has no end", "mend it"), UNREAD):
        first, *rest = judge(replace(healthy(), settings=settings))
        assert first.code == Check.SETTINGS
        assert {finding.result for finding in rest} == {Result.CANNOT_TELL}
        assert [finding.code for finding in rest] == list(Check)[1:]


def test_bare_machine_is_told_how_to_begin() -> None:
    """Nothing is wrong with it; in production, something is."""
    bare = Facts(Purpose.LOCAL, Configuration())
    [finding] = of(Check.SETTINGS, bare)
    assert finding.result is Result.NOT_APPLICABLE
    assert all(words in str(finding.mend) for words in ("tickctl demo", "tickctl local start", "README.md"))
    assert verdict(judge(bare)) is True
    assert verdict(judge(replace(bare, purpose=Purpose.PRODUCTION))) is False


def test_what_was_found_where_is_said_by_name() -> None:
    """Never by value."""
    text = " ".join(f"{finding.subject} {finding.message} {finding.mend}" for finding in judge(healthy()))
    [finding] = of(Check.SETTINGS, healthy())
    assert (finding.subject, "RABBITMQ_URL" in finding.message) == (FILE, True)
    assert GOOD_SECRET not in text
    assert "password" not in text


@pytest.mark.parametrize(
    ("check", "change"),
    [
        (Check.ALLOW_UNCONFIRMED, given(SUPABASE_ALLOW_UNCONFIRMED="true")),
        (Check.EMAIL_CONFIRMATION, answered(settings={**AUTH_SETTINGS, "mailer_autoconfirm": True})),
        (Check.AWS_SECRET, but(secret=StoredSecret("gateway/production", ("A_KEY",)))),
    ],
)
def test_locally_development_is_a_warning(check: Check, change: object) -> None:
    """And a failure in production, as the table shows."""
    assert callable(change)
    assert results(check, change(healthy(Purpose.LOCAL))) == {Result.WARNING}


def test_locally_connections_may_be_in_the_clear() -> None:
    """RabbitMQ of a compose file has no certificate."""
    facts = given(RABBITMQ_URL="amqp://gateway:password@rabbitmq/")(healthy(Purpose.LOCAL))
    assert Result.NOT_APPLICABLE in results(Check.CONNECTION_URL, facts)
    assert Result.FAIL not in results(Check.CONNECTION_URL, facts)


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ("SUPABASE_JWT_SECRET_PREVIOUS", "SUPABASE_JWT_SECRET"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_half_of_a_pair_is_named(there: str, missing: str) -> None:
    """Both names stand in the message."""
    facts = given(**{there: "something", missing: None})(healthy())
    [finding] = of(Check.HALF_CONFIGURED, facts)
    assert finding.message == f"{there} is set, and {missing} is not"


def test_variable_that_needs_the_project_is_named() -> None:
    """A key without an address is half a configuration."""
    settings = configured({"SUPABASE_SECRET_KEY": "x"}, needs_url="SUPABASE_SECRET_KEY")
    [finding] = of(Check.HALF_CONFIGURED, replace(healthy(), settings=settings))
    assert finding.subject == "SUPABASE_SECRET_KEY"
    assert "SUPABASE_URL is not" in finding.message


def test_demo_secret_is_for_this_machine_only() -> None:
    """There verification accepts it, and nowhere else."""
    demo = "super-secret-jwt-token-with-at-least-32-characters-long"
    values = {"SUPABASE_URL": "http://127.0.0.1:54321", "SUPABASE_ANON_KEY": "x", "SUPABASE_JWT_SECRET": demo}
    here = configured(values, on_loopback=True)
    for purpose in Purpose:
        assert results(Check.JWT_SECRET, replace(healthy(purpose), settings=here)) == {Result.PASS}
        assert results(Check.JWT_SECRET, given(SUPABASE_JWT_SECRET=demo)(healthy(purpose))) == {Result.FAIL}


@pytest.mark.parametrize("name", ["SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEY"])
def test_secret_is_compared_with_legacy_keys(name: str) -> None:
    """They are tokens that it has signed; during a rotation, the one before it may have."""
    keys = ProjectKeys(jwt_secret=GOOD_SECRET)
    own, other = given(**{name: keys.legacy_anon}), GOOD_SECRET.swapcase()
    [fits] = of(Check.JWT_SECRET, own(healthy()))
    assert (fits.result, "has signed" in fits.message) == (Result.PASS, True)
    foreign = given(**{name: keys.legacy_anon, "SUPABASE_JWT_SECRET": other})(healthy())
    [differs] = of(Check.JWT_SECRET, foreign)
    assert (differs.result, name in differs.message) == (Result.FAIL, True)
    rotated = {name: keys.legacy_anon, "SUPABASE_JWT_SECRET": other, "SUPABASE_JWT_SECRET_PREVIOUS": GOOD_SECRET}
    assert results(Check.JWT_SECRET, given(**rotated)(healthy())) == {Result.PASS}
    asymmetric = ProjectKeys(signing="ES256").sign({"role": "anon"})
    [open_still] = of(Check.JWT_SECRET, given(**{name: asymmetric})(healthy()))
    assert (open_still.result, "tickctl explain" in open_still.message) == (Result.PASS, True)


def test_secret_that_repeats_itself_is_weak() -> None:
    """Long is not enough."""
    [finding] = of(Check.JWT_SECRET, given(SUPABASE_JWT_SECRET="ab" * 20)(healthy()))
    assert "repeats" in finding.message


def test_previous_secret_lingers_or_is_weak() -> None:
    """While a rotation goes on it is a warning; a secret that can be guessed is a fail at any time."""
    change = given(SUPABASE_JWT_SECRET_PREVIOUS=GOOD_SECRET[::-1])
    assert results(Check.PREVIOUS_SECRET, change(healthy())) == {Result.WARNING}
    weak = given(SUPABASE_JWT_SECRET_PREVIOUS="short")(healthy())
    assert results(Check.PREVIOUS_SECRET, weak) == {Result.WARNING, Result.FAIL}


def test_keys_that_were_left_out_are_warned_of() -> None:
    """The others still verify."""
    facts = but(configured_keys=Keys(1, ("key 'a' is left out: it appears more than once",)))(healthy())
    assert results(Check.KEY_SET, facts) == {Result.PASS, Result.WARNING}
    assert "1 key can be used" in {finding.message for finding in of(Check.KEY_SET, facts)}


def test_empty_key_set_needs_a_secret() -> None:
    """Projects that sign with HS256 publish no keys."""
    empty = but(published_keys=Keys(0))
    assert results(Check.KEY_SET, empty(healthy())) == {Result.PASS}
    assert results(Check.KEY_SET, empty(given(SUPABASE_JWT_SECRET=None)(healthy()))) == {Result.FAIL}


@pytest.mark.parametrize(
    ("url", "issuer", "result"),
    [
        (URL, f"{URL}/auth/v1", Result.PASS),
        (URL, URL, Result.FAIL),
        (URL, f"{URL}/auth/v1/", Result.FAIL),
        (URL, "https://[", Result.FAIL),
        (URL, "ftp://x/auth/v1", Result.FAIL),
        ("https://api.example.com", f"{URL}/auth/v1", Result.PASS),
        ("https://api.example.com", f"{URL}/auth/v1/", Result.FAIL),
        ("https://api.example.com", "https://auth.example.com/auth/v1", Result.WARNING),
        (URL, "https://auth.example.com/auth/v1", Result.FAIL),
    ],
)
def test_issuer_beside_the_address(url: str, issuer: str, result: Result) -> None:
    """A domain of one's own doesn't change a hosted project's issuer."""
    facts = given(SUPABASE_URL=url, SUPABASE_JWT_ISSUER=issuer)(healthy())
    assert results(Check.ISSUER, facts) == {result}


@pytest.mark.parametrize(
    ("apart", "result", "word"),
    [(30, Result.PASS, "agree"), (31, Result.FAIL, "behind"), (-31, Result.FAIL, "ahead of"), (-30, Result.PASS, "")],
)
def test_clock_is_forgiven_what_tokens_are(apart: float, result: Result, word: str) -> None:
    """30 seconds in both directions."""
    [finding] = of(Check.CLOCK, answered(seconds_apart=apart)(healthy()))
    assert finding.result is result
    assert word in finding.message


def test_project_that_refuses_the_key_tells_no_settings() -> None:
    """The key fails; what it would have opened can't be told."""
    facts = answered(accepted=False, settings=None)(healthy())
    assert results(Check.PUBLISHABLE_KEY, facts) == {Result.FAIL}
    assert results(Check.EMAIL_CONFIRMATION, facts) == results(Check.ANONYMOUS_SIGN_INS, facts) == {Result.CANNOT_TELL}
    unasked = answered(accepted=None, settings=None)(healthy())
    assert results(Check.PUBLISHABLE_KEY, unasked) == {Result.CANNOT_TELL}


def test_key_without_a_project_is_nobody_s() -> None:
    """There is nobody to accept it."""
    facts = given(SUPABASE_URL=None)(but(auth=None)(healthy()))
    assert results(Check.PUBLISHABLE_KEY, facts) == {Result.NOT_APPLICABLE}


@pytest.mark.parametrize("value", [None, "true", 1])
def test_setting_that_is_no_boolean_tells_nothing(value: object) -> None:
    """What isn't understood is no pass."""
    facts = answered(settings={"mailer_autoconfirm": value, "external": {"anonymous_users": value}})(healthy())
    assert results(Check.EMAIL_CONFIRMATION, facts) == {Result.CANNOT_TELL}
    assert results(Check.ANONYMOUS_SIGN_INS, facts) == {Result.CANNOT_TELL}


def test_schema_that_can_t_be_brought_up_to_date_says_why() -> None:
    """What stands in the way comes before what would be done."""
    schema = Schema(("one", "two"), ("a table is in the way",))
    [finding] = of(Check.SCHEMA, in_database(schema=schema)(healthy()))
    assert (finding.result, "in the way" in finding.message) == (Result.FAIL, True)


def test_long_lists_are_cut() -> None:
    """Three, and how many more."""
    [finding] = of(Check.SCHEMA, in_database(schema=Schema(("a", "b", "c", "d", "e")))(healthy()))
    assert finding.message.endswith("a, b, c, and 2 more")


def test_database_that_refuses_leaves_its_schema_open() -> None:
    """One fault, one failure."""
    facts = but(database=Problem("the server refused the password"))(healthy())
    assert results(Check.SCHEMA, facts) == results(Check.HOOK, facts) == {Result.CANNOT_TELL}


def test_hook_is_wanted_for_its_own_claim_only() -> None:
    """Another claim is another hook's, which the database may not even know."""
    without = given(SUPABASE_CONFIRMED_CLAIM=None)(in_database(hook=False)(healthy()))
    other = given(SUPABASE_CONFIRMED_CLAIM="app_metadata.confirmed")(in_database(hook=False)(healthy()))
    assert results(Check.HOOK, without) == results(Check.HOOK, other) == {Result.NOT_APPLICABLE}
    assert results(Check.HOOK, but(database=None)(healthy())) == {Result.CANNOT_TELL}


def test_embedded_database_need_not_run() -> None:
    """Who needs it starts it."""
    stopped = replace(healthy(), embedded=replace(healthy().embedded, running=False))  # type: ignore[type-var]
    assert results(Check.EMBEDDED_DATABASE, stopped) == {Result.PASS}


def test_secret_without_files_is_only_there() -> None:
    """On a machine of the operators, say."""
    [finding] = of(Check.AWS_SECRET, but(secret=StoredSecret("gateway/production", None))(healthy()))
    assert (finding.result, "no env files" in finding.message) == (Result.PASS, True)


def test_what_an_env_file_holds_and_where_it_lies_are_two_things() -> None:
    """A file that others may read can be right in all that it says."""
    facts = in_file(FileCheck.READABLE, FileResult.WARNING)(healthy())
    assert results(Check.ENV_FILE_PLACES, facts) == {Result.WARNING}
    assert results(Check.ENV_FILES, facts) == {Result.PASS}
    noted = in_file(FileCheck.SYMLINK, FileResult.NOTE)(healthy())
    assert results(Check.ENV_FILE_PLACES, noted) == {Result.PASS}


def test_value_that_counts_is_judged_once() -> None:
    """By its own check; one that another place outdoes is left to the file's."""
    finding = FileFinding(FileCheck.WEAK_SECRET, FileResult.FAIL, "too short", None, FILE, 3, "SUPABASE_JWT_SECRET")
    facts = but(env_files=EnvFiles((FILE,), (finding,)))(given(SUPABASE_JWT_SECRET="short")(healthy()))
    assert results(Check.ENV_FILES, facts) == {Result.PASS}
    elsewhere = but(env_files=EnvFiles((FILE,), (replace(finding, file="services/.env"),)))(healthy())
    [found] = [one for one in of(Check.ENV_FILES, elsewhere) if one.result is Result.FAIL]
    assert found.subject == "services/.env line 3"


def test_checks_are_grouped_by_area() -> None:
    """Each has one, and all areas have checks."""
    assert list(dict.fromkeys(check.area for check in Check)) == list(Area)
    assert area_of("clock") is Area.TOKENS


def test_table_of_the_page_is_the_catalogue() -> None:
    """A code is on the page as it is here, with what it means and what mends it."""
    page = (ROOT / "docs" / "CLI.md").read_text()
    rows = [f"| {check.area} | `{check.value}` | {check.meaning} | {check.mend} |" for check in Check]
    assert "\n".join(rows) in page
