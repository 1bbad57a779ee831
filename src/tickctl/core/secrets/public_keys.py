"""Keys that everybody may have, and those of Supabase's local set-up, which everybody has."""

from typing import Final

from tickctl.core.json import JsonObject
from tickctl.core.secret import Secret

# Those of Supabase's local set-up and of the example for hosting it oneself; everybody can read them there.
_DEMO_SECRETS: Final = frozenset(
    {
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
    }
)
_DEMO_ISSUER: Final = "supabase-demo"


def is_demo(value: Secret) -> bool:
    """Whether it is a secret or key of Supabase's public local set-up."""
    return value.reveal().strip() in _DEMO_SECRETS or unverified_claims(value).get("iss") == _DEMO_ISSUER


def is_publishable(value: Secret) -> bool:
    """Whether it is a project's key for browsers: a publishable one, or the legacy JWT of the role anon."""
    return value.reveal().strip().startswith("sb_publishable_") or unverified_claims(value).get("role") == "anon"


def unverified_claims(value: Secret) -> JsonObject:
    """Return the claims of a legacy API key, which is a JWT; nothing of it is verified. Empty if it is none."""
    from tickctl.core.tokens.encoding import (  # noqa: PLC0415 - loads cryptography, which --help can spare
        EncodingError,
        decode_base64url,
        parse_object,
    )

    parts = value.reveal().strip().split(".")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7515 section 7.1
        return {}
    try:
        return parse_object(decode_base64url(parts[1].encode("utf-8", "surrogateescape")))
    except EncodingError:
        return {}
