"""API keys of a project: which kind one is, and the headers that a call with it carries.

Publishable and secret keys are no JWTs: they go into the header apikey alone, and the API gateway translates them.
Legacy keys are JWTs, and PostgREST reads the role out of Authorization (https://supabase.com/docs/guides/api/api-keys).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from tickctl.core.json import JsonObject
from tickctl.core.quota import Anonymous, Caller, ServiceRole, SignedInUser
from tickctl.core.secret import Secret
from tickctl.core.tokens.encoding import EncodingError, decode_base64url, parse_object
from tickctl.errors import ConfigurationError, CredentialsRefusedError

_HOSTED: Final = ".supabase.co"
_COPY: Final = "copy it again from the project's API keys"
_SEGMENTS: Final = 3
_LONGEST_TOKEN: Final = 16 * 1024


class KeyKind(Enum):
    """What a key is good for."""

    PUBLISHABLE = "publishable"
    """For users' tokens, or for nobody in particular (role anon)."""
    SECRET = "secret"  # noqa: S105 - no value of one
    """For operators (role service_role)."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a known kind; `is_token` where it is a legacy one, a JWT."""

    value: Secret
    kind: KeyKind
    is_token: bool

    @classmethod
    def of(cls, value: Secret, host: str) -> "ApiKey":
        """Recognize a key for the project at a host.

        Raises:
            ConfigurationError: it is no API key, or it says itself that it belongs to another project.
        """
        key = value.reveal()
        if not _fits_a_header(key):
            raise ConfigurationError(
                "the API key is empty, or has spaces, line breaks or characters that no key has", hint=_COPY
            )
        if key.startswith("sb_publishable_"):
            return cls(value, KeyKind.PUBLISHABLE, is_token=False)
        if key.startswith("sb_secret_"):
            return cls(value, KeyKind.SECRET, is_token=False)
        claims = _claims(key)
        reference = claims.get("ref")
        if host.endswith(_HOSTED) and isinstance(reference, str) and host != reference + _HOSTED:
            raise ConfigurationError("the API key belongs to another project than the address", hint=_COPY)
        match claims.get("role"):
            case "anon":
                return cls(value, KeyKind.PUBLISHABLE, is_token=True)
            case "service_role":
                return cls(value, KeyKind.SECRET, is_token=True)
            case _:
                raise ConfigurationError(
                    "the API key is a token, but neither the anon key nor the service_role key", hint=_COPY
                )

    def headers(self, caller: Caller) -> dict[str, str]:
        """Return the headers with which a caller is let in.

        Raises:
            ConfigurationError: the key is not of the kind that this caller needs.
            CredentialsRefusedError: the user's token can't be one.
        """
        key = self.value.reveal()
        headers = {"apikey": key}
        match caller:
            case ServiceRole():
                if self.kind is not KeyKind.SECRET:
                    raise ConfigurationError(
                        "this needs the secret key, and the API key is a publishable one",
                        hint="set SUPABASE_SECRET_KEY to a key that begins with sb_secret_, or to the service_role key",
                    )
                if self.is_token:
                    headers["Authorization"] = f"Bearer {key}"
            case SignedInUser() | Anonymous():
                # A user's call with the secret key would work, and sooner or later the key would be where users are.
                if self.kind is not KeyKind.PUBLISHABLE:
                    raise ConfigurationError(
                        "a user's call needs the publishable key, and the API key is a secret one",
                        hint="set SUPABASE_ANON_KEY to a key that begins with sb_publishable_, or to the anon key",
                    )
                if isinstance(caller, SignedInUser):
                    headers["Authorization"] = f"Bearer {_checked_token(caller.token)}"
        return headers


def _claims(key: str) -> JsonObject:
    segments = key.split(".")
    try:
        if len(segments) == _SEGMENTS:
            return parse_object(decode_base64url(segments[1].encode("ascii")))
    except EncodingError:
        pass
    hint = "it begins with sb_publishable_ or sb_secret_; legacy keys begin with eyJ"
    raise ConfigurationError("the API key is none of Supabase's", hint=hint)


def _checked_token(token: Secret) -> str:
    value = token.reveal()
    if not _fits_a_header(value) or len(value) > _LONGEST_TOKEN or value.count(".") != _SEGMENTS - 1:
        raise CredentialsRefusedError("the user's token is not a JWT", hint="`tickctl login` gets one")
    return value


def _fits_a_header(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable() and " " not in value
