"""What looks like a secret that stands in the clear, and what doesn't."""

import pytest

from tickctl.core.audit.plain_values import is_secret_name, shown, why_secret, why_secret_in
from tickctl.core.secret import Secret

# Three parts, base64url; the second says {"role":"anon"}, {"role":"service_role"}.
ANON = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl"
SERVICE = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
BY_NAME = "has the name of a secret"
BY_OWNER = "has a name that the secret or the env files have"


def why(name: str, value: str, *known: str) -> str | None:
    """Return why a variable must not stand in the clear."""
    return why_secret(name, Secret(value), known)


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD", "PASSWORD", "db.password", "Db-Passwd", "PGPASS", "GPG_PASSPHRASE", "SUPABASE_JWT_SECRET",
        "SUPABASE_JWT_SECRET_PREVIOUS", "API_TOKEN", "STRIPE_KEY", "apikey", "splunk-token", "MONGO_PWD", "SENTRY_DSN",
        "DSN", "GOOGLE_CREDENTIALS", "KEY_BASE64", "SECRET_2", "SUPABASE_SERVICE_ROLE_KEY", "PUBLIC_DB_PASSWORD",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    """Whatever their spelling, and whatever their value."""
    assert is_secret_name(name)
    assert why(name, "value-of-it") == BY_NAME


@pytest.mark.parametrize(
    "name",
    [
        "TOKEN_TTL", "KEY_HEADER", "KMS_KEY_ID", "AWS_ACCESS_KEY_ID", "SUPABASE_ANON_KEY", "SUPABASE_PUBLISHABLE_KEY",
        "SSH_PUBLIC_KEY", "NEXT_PUBLIC_POSTHOG_KEY", "PUBLIC_SENTRY_DSN", "ROUTING_KEY", "RABBITMQ_ROUTING_KEY",
        "KEYBOARD", "SECRETARY", "COMPASS_URL", "PASSTHROUGH", "MODEL_NAME", "PWDX", "GPG_KEY",
    ],
)  # fmt: skip
def test_names_of_other_things(name: str) -> None:
    """What only sounds alike, and keys that browsers are given."""
    assert not is_secret_name(name)
    assert why(name, "value-of-it") is None


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (PEM, "a private key"),
        (SERVICE, "a token"),
        ("sb_secret_abcdefgh", "a Supabase secret key"),
        ("AKIA" + "ABCD" * 4, "an AWS access key"),
        ("ghp_" + "a1B2" * 6, "a GitHub token"),
        ("sk_live_" + "a1B2" * 6, "a Stripe key"),
        ("postgresql://app:hunter2@db.internal/app", "a URL with a password"),
        ("https://:tok@git.internal/", "a URL with a password"),
    ],
)
@pytest.mark.parametrize("name", ["ANYTHING", "SUPABASE_ANON_KEY", "PUBLIC_KEY", "AWS_ACCESS_KEY_ID"])
def test_what_looks_like_a_secret_is_one_under_every_name(name: str, value: str, shape: str) -> None:
    """A public name makes no private value public."""
    assert why(name, value) == f"holds {shape}"


@pytest.mark.parametrize("name", ["SUPABASE_ANON_KEY", "SUPABASE_KEY", "ANYTHING"])
@pytest.mark.parametrize("value", [ANON, "sb_publishable_abcdefgh"])
def test_keys_for_browsers_are_public(name: str, value: str) -> None:
    """The legacy one is a token, and still is."""
    assert why(name, value) is None
    assert why(name, value, name) is None


@pytest.mark.parametrize(
    "value",
    [
        "", "   ", "${DB_PASSWORD}", "$DB_PASSWORD", "$(cat /run/secret)", "/run/secrets/db", "./secrets/db.txt",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf",
    ],
)  # fmt: skip
def test_where_a_secret_is_isn_t_the_secret(value: str) -> None:
    """A file, an ARN, another variable."""
    assert why("DB_PASSWORD", value) is None
    assert why("ANYTHING", value, "ANYTHING") is None


@pytest.mark.parametrize("value", ["true", "False", "4096", "0.5", "debug"])
def test_settings_are_harmless_but_as_passwords(value: str) -> None:
    """A number may be how long a key is; as a password it is one."""
    assert why("API_KEY", value) is None
    assert why("MAX_TOKEN", value) is None
    assert why("WORKERS", value, "WORKERS") is None
    assert why("DB_PASSWORD", value) == why("JWT_SECRET", value) == why("MONGO_PWD", value) == BY_NAME


def test_a_known_name_is_that_of_a_secret() -> None:
    """By the word of whoever has put it into the secret; addresses alone tell nothing."""
    assert why("GREETING", "hello-world") is None
    assert why("GREETING", "hello-world", "GREETING") == BY_OWNER
    assert why("HOOK", "https://hooks.internal/T000/B000", "HOOK") == BY_OWNER
    assert why("SUPABASE_URL", "https://abc.supabase.co", "SUPABASE_URL") is None
    assert why("CHROMA_URL", "http://chroma:8000/", "CHROMA_URL") is None
    assert why("SSH_PUBLIC_KEY", "ssh-ed25519 AAAA", "SSH_PUBLIC_KEY") is None


@pytest.mark.parametrize("value", ["123456", "/run", "/nowhere/x", "$A$B", "'hunter2'", "arn:aws:x y", "99999999"])
def test_what_only_resembles_a_setting_counts(value: str) -> None:
    """Long numbers, odd paths, and what begins like a variable."""
    assert why("API_KEY", value) == BY_NAME


@pytest.mark.parametrize(
    "command",
    [
        ["redis-server", "--requirepass", "hunter2"],
        ["redis-server", "--requirepass=hunter2"],
        ["app", "--db-password", "hunter2"],
        ["sh", "-c", "export DB_PASSWORD=hunter2; exec app"],
        ["sh", "-c", "DB_PASSWORD='hunter2' app"],
        ["sh", "-c", 'app --token "abcdef"'],
        ["app", "-token", "abcdef"],
        ["app", "-Dspring.datasource.password=hunter2"],
    ],
)
def test_commands_that_hand_secrets_over(command: list[str]) -> None:
    """To an option or a variable, in a word of its own or in a script."""
    assert why_secret_in(map(Secret, command)) == "gives a secret to an option or variable"


def test_commands_that_hold_secrets() -> None:
    """By their form."""
    command = ["curl", "https://app:hunter2@db.internal/"]
    assert why_secret_in(map(Secret, command)) == "holds a URL with a password"


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["uvicorn", "gateway:app", "--host", "0.0.0.0", "--port", "8000"],
        ["app", "--password", "--verbose"],
        ["app", "--password"],
        ["app", "--password-file", "/run/secrets/db"],
        ["app", "--token", "$API_TOKEN"],
        ["sh", "-c", "exec app --token ${API_TOKEN}"],
        ["sh", "-c", 'app --token "$API_TOKEN"'],
        ["CMD-SHELL", "curl -f http://localhost:8000/health || exit 1"],
        ["python", "-m", "gateway", "mode=value"],
    ],
)
def test_commands_that_do_not(command: list[str]) -> None:
    """Options without a secret, and secrets that stay variables."""
    assert why_secret_in(map(Secret, command)) is None


def test_a_secret_in_the_place_of_a_name_is_not_shown() -> None:
    """Somebody has mixed them up."""
    assert shown("DB_PASSWORD") == "DB_PASSWORD"
    assert "ghp_" not in shown("ghp_" + "a1B2" * 6)


def test_long_values_take_no_long_time() -> None:
    """Each pattern is linear in what it reads."""
    for value in (
        "a" * 60_000,
        "-" * 60_000,
        "a=" * 30_000,
        "/run/" + "a/" * 30_000,
        "$(" * 30_000,
        "x://" + "a" * 60_000,
    ):
        why("KEY", value)
        why_secret_in([Secret(value)])
