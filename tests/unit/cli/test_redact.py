"""The last sieve: what it takes out, and what it must leave for messages to make sense."""

import pytest

from tickctl.cli.console.redact import printable, redact
from tickctl.core.secret import MASK, Secret


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0",
        "sb_secret_N7UND0UgjKTVK-Uodkm0Hg",
        "sb_publishable_ACJWlzQHlZjBrEguHvfOxg",
        "Kd83hfUw92nvLq0xTz64bMsr",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "q1/W+2eRTy7uIOp9aSdFgH3jKlZxCvBnM4==",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "no user '{}'", "unexpected ({})", "--token={}", "Bearer {}"])
def test_what_looks_like_a_secret_is_masked(secret: str, frame: str) -> None:
    """Tokens, keys and long random words, wherever a message puts them."""
    assert secret not in redact(frame.format(secret))
    assert MASK in redact(frame.format(secret))


def test_password_in_a_url_is_masked_and_the_host_stays() -> None:
    """Where is worth knowing; with which password isn't."""
    assert redact("can't reach postgresql://u:p4ss@db.example/x") == f"can't reach postgresql://{MASK}db.example/x"


def test_connection_string_taken_for_a_path_is_masked() -> None:
    """A path has lost one of the two slashes."""
    assert redact("can't write postgresql:/u:p4ss@db.example/x") == f"can't write postgresql:/{MASK}db.example/x"


@pytest.mark.parametrize("word", ["p4ss%40word", "p4ss@word"])
def test_password_of_a_known_connection_string_is_masked_alone(word: str) -> None:
    """Percent-encoded as it stands there, and as people know it."""
    known = [Secret("postgresql://postgres:p4ss%40word@db.example/postgres")]
    assert redact(f"there is no user '{word}'", known) == f"there is no user '{MASK}'"


@pytest.mark.parametrize(
    "text",
    [
        "there is no user 'somebody.with.a.long.name@example.com'",
        "there is no user '11111111-1111-4111-8111-111111111111'",
        "using the embedded database in /tmp/pytest-of-root/pytest-12/Test0verLongNameWith1/home",
        "can't read ../services/keys.env.example",
        "the header has no daily_tick_limit column",
        "https://abcdefghijklmnopqrst.supabase.co answered with status 503",
        "write postgresql://user:password@host:port/database",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/Prod-AbC12d:SUPABASE_URL:: is referred to",
        "arn:aws-us-gov:iam::123456789012:role/Gateway-Execution-1 may not be passed",
    ],
)
def test_what_messages_are_about_stays(text: str) -> None:
    """People, places and plain words."""
    assert redact(text) == text


def test_known_secrets_are_masked_whatever_they_look_like() -> None:
    """A secret may be made of words."""
    assert redact("the key is correct horse battery", [Secret("correct horse")]) == f"the key is {MASK} battery"


def test_short_known_values_do_not_blank_out_messages() -> None:
    """A one-letter variable must not turn every message into stars."""
    assert redact("a bad day", [Secret("a"), Secret("")]) == "a bad day"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe ✓ 名", "Größe ✓ 名"),
        ("\033[31m", "\\x1b[31m"),
        ("\x9b1m", "\\x9b1m"),
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\u202egnp", "\\u202egnp"),
        ("\u200b\ufeff", "\\u200b\\ufeff"),
        ("\u2028", "\\u2028"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_printable_escapes_what_drives_or_hides(text: str, shown: str) -> None:
    """Controls, bidirectional marks, invisible characters and lone surrogates; letters of all scripts stay."""
    assert printable(text) == shown
