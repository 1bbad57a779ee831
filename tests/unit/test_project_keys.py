"""Which HS256 secrets a project's tokens may be signed with, and what is refused while one is being changed."""

import pytest

from tickctl.adapters.project import keys
from tickctl.core.tokens import Algorithm, Header, StaticKeys
from tickctl.errors import ConfigurationError
from tickctl.settings import load

NEW, OLD = "the secret that signs from now on, of tests", "the secret that has signed until now, of tests"
DEMO = "super-secret-jwt-token-with-at-least-32-characters-long"
PEM = "-----BEGIN PUBLIC KEY-----MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"


def secrets_of(**variables: str) -> list[bytes]:
    """Return the secrets that are trusted for these variables, without any project that publishes keys."""
    source = keys(load(variables, []), cache_folder=None)
    assert isinstance(source, StaticKeys)
    found = source.current(Header(Algorithm.HS256, None)).candidates(None, Algorithm.HS256)
    assert all(isinstance(key.material, bytes) for key in found)
    return [key.material for key in found if isinstance(key.material, bytes)]


def test_both_secrets_are_trusted_while_one_takes_the_other_s_place() -> None:
    """The one that signs now comes first, so that in quiet times nothing is tried twice."""
    both = secrets_of(SUPABASE_JWT_SECRET=NEW, SUPABASE_JWT_SECRET_PREVIOUS=OLD)
    assert both == [NEW.encode(), OLD.encode()]
    assert secrets_of(SUPABASE_JWT_SECRET=NEW) == [NEW.encode()]


def test_the_same_secret_twice_counts_once() -> None:
    """Nothing is gained by it, and nothing breaks."""
    assert secrets_of(SUPABASE_JWT_SECRET=NEW, SUPABASE_JWT_SECRET_PREVIOUS=NEW) == [NEW.encode()]


def test_an_empty_previous_secret_is_none() -> None:
    """As with every other variable."""
    assert secrets_of(SUPABASE_JWT_SECRET=NEW, SUPABASE_JWT_SECRET_PREVIOUS="") == [NEW.encode()]


@pytest.mark.parametrize("url", ["", "https://tests.supabase.co"])
def test_a_previous_secret_alone_is_refused(url: str) -> None:
    """Somebody has put the new secret under the wrong name, or taken the wrong one away; published keys or not."""
    variables = {"SUPABASE_JWT_SECRET_PREVIOUS": OLD, "SUPABASE_URL": url}
    with pytest.raises(ConfigurationError, match="SUPABASE_JWT_SECRET is not"):
        keys(load(variables, []), cache_folder=None)


@pytest.mark.parametrize(
    ("weak", "reason"),
    [("31 bytes are one byte too few..", "too short"), (DEMO, "public demo secret"), (PEM, "asymmetric key")],
)
def test_the_previous_secret_keeps_the_same_rules(weak: str, reason: str) -> None:
    """Whoever knows it can sign tokens for everybody; the message says which variable, and no value."""
    with pytest.raises(ConfigurationError, match=reason) as caught:
        secrets_of(SUPABASE_JWT_SECRET=NEW, SUPABASE_JWT_SECRET_PREVIOUS=weak)
    assert caught.value.message.startswith("SUPABASE_JWT_SECRET_PREVIOUS ")
    assert caught.value.hint
    assert weak not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.__suppress_context__


def test_the_demo_secret_is_a_previous_one_on_this_machine() -> None:
    """A local project that is given a secret of its own has had that one before."""
    variables = {"SUPABASE_URL": "http://127.0.0.1:54321", "SUPABASE_JWT_SECRET_PREVIOUS": DEMO}
    source = keys(load({**variables, "SUPABASE_JWT_SECRET": NEW}, []), cache_folder=None)
    found = source.current(Header(Algorithm.HS256, None)).candidates("unknown", Algorithm.HS256)
    assert [key.material for key in found] == [NEW.encode(), DEMO.encode()]
