"""Every check of `tickctl doctor`: its code, what is true where it passes, and what to do where it doesn't."""

from enum import StrEnum
from typing import Self


class Area(StrEnum):
    """What a check is about; the value is the heading of its group."""

    CONFIGURATION = "Configuration"
    TOKENS = "Tokens"
    PROJECT = "Supabase project"
    DATABASE = "Database"
    AWS = "AWS"
    CONNECTIONS = "Connections"


class Check(StrEnum):
    """What is looked at. The value is the code that scripts depend on."""

    SETTINGS = (
        "settings",
        Area.CONFIGURATION,
        "there are settings, and all of them can be read",
        "mend what it names, or give other files with --env-file",
    )
    OVERRIDDEN = (
        "overridden",
        Area.CONFIGURATION,
        "no variable has another value somewhere else that doesn't count",
        "remove the one that isn't meant",
    )
    HALF_CONFIGURED = (
        "half-configured",
        Area.CONFIGURATION,
        "what belongs together is there together",
        "set the other one as well, or neither",
    )
    ENV_FILES = (
        "env-files",
        Area.CONFIGURATION,
        "tickctl secrets check finds nothing in what the env files hold",
        "tickctl secrets check",
    )
    ENV_FILE_PLACES = (
        "env-file-places",
        Area.CONFIGURATION,
        "nobody else can read or change the env files, and neither git nor a docker build takes them along",
        "tickctl secrets check",
    )
    ALLOW_UNCONFIRMED = (
        "allow-unconfirmed",
        Area.CONFIGURATION,
        "nobody is let in without a confirmed e-mail address",
        "remove SUPABASE_ALLOW_UNCONFIRMED",
    )
    JWT_SECRET = (
        "jwt-secret",
        Area.TOKENS,
        "nobody else knows or guesses the secret that signs tokens, and it has signed the project's legacy API keys",
        "put the project's own JWT secret into SUPABASE_JWT_SECRET",
    )
    PREVIOUS_SECRET = (
        "previous-secret",
        Area.TOKENS,
        "no former JWT secret is accepted any more",
        "remove SUPABASE_JWT_SECRET_PREVIOUS when the last token that it signed has expired",
    )
    KEY_SET = (
        "key-set",
        Area.TOKENS,
        "the public keys can be fetched, and every one of them can be used",
        "check SUPABASE_URL and SUPABASE_JWKS_URL; a project without signing keys needs SUPABASE_JWT_SECRET",
    )
    ISSUER = (
        "issuer",
        Area.TOKENS,
        "the issuer that tokens must have is that of the project",
        "remove SUPABASE_JWT_ISSUER, or set it to what 'iss' says in the project's tokens",
    )
    CLOCK = (
        "clock",
        Area.TOKENS,
        "the clocks here and at the Auth server differ by less than tokens are forgiven",
        "set this machine's clock by NTP",
    )
    PROJECT_URL = (
        "project-url",
        Area.PROJECT,
        "SUPABASE_URL is a project's address",
        "write SUPABASE_URL like https://<project-ref>.supabase.co",
    )
    AUTH = (
        "auth",
        Area.PROJECT,
        "the Auth server answers",
        "check SUPABASE_URL and the network, and whether the project is paused",
    )
    PUBLISHABLE_KEY = (
        "publishable-key",
        Area.PROJECT,
        "SUPABASE_ANON_KEY is a publishable key, and the project accepts it",
        "copy the publishable key (sb_publishable_...) from the project's API keys",
    )
    EMAIL_CONFIRMATION = (
        "email-confirmation",
        Area.PROJECT,
        "the project wants e-mail addresses to be confirmed",
        "switch 'Confirm email' on: Authentication, Sign In / Providers, Email",
    )
    ANONYMOUS_SIGN_INS = (
        "anonymous-sign-ins",
        Area.PROJECT,
        "nobody can sign in anonymously",
        "switch 'Allow anonymous sign-ins' off, unless other services need it; the gateway refuses such users anyway",
    )
    API = (
        "api",
        Area.PROJECT,
        "the project's API answers, and offers tickctl's functions",
        "tickctl schema apply; and expose the schema public in the settings of the API",
    )
    DATABASE = (
        "database",
        Area.DATABASE,
        "the database of SUPABASE_DB_URL answers",
        "copy the connection string (session pooler, or direct) from the project's Connect dialog",
    )
    SCHEMA = (
        "schema",
        Area.DATABASE,
        "tickctl's tables and functions are installed, as this version has them",
        "tickctl schema apply; with --dry-run it shows how",
    )
    HOOK = (
        "hook",
        Area.DATABASE,
        "the hook that writes SUPABASE_CONFIRMED_CLAIM is installed",
        "tickctl schema apply --with-hook, and switch it on: Authentication, Hooks",
    )
    EMBEDDED_DATABASE = (
        "embedded-database",
        Area.DATABASE,
        "the folder of the embedded database is in order, and its programs fit",
        "tickctl local status; 'tickctl local reset' makes a new one",
    )
    AWS_IDENTITY = (
        "aws-identity",
        Area.AWS,
        "AWS knows the credentials, and they lead to the account and region that are meant",
        "check AWS_PROFILE and AWS_REGION; 'aws sso login' or new keys renew what has expired",
    )
    AWS_SECRET = (
        "aws-secret",
        Area.AWS,
        "the secret is there, and holds what the env files hold",
        "tickctl secrets diff shows which keys, tickctl secrets push writes them",
    )
    CONNECTION_URL = (
        "connection-url",
        Area.CONNECTIONS,
        "every connection to another service is encrypted, or stays on this machine",
        "write the encrypted scheme: amqps, rediss, https, sslmode=verify-full",
    )

    area: Area
    meaning: str
    mend: str

    def __new__(cls, value: str, area: Area, meaning: str, mend: str) -> Self:
        """Make a member of a code, its area, and what it means."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.area = area
        member.meaning = meaning
        member.mend = mend
        return member


def area_of(code: str) -> Area:
    """Return what a check of this code is about."""
    return next(check.area for check in Check if check == code)
