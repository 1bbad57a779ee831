"""Whether a token itself says that the user's e-mail is confirmed: yes, no, or nothing.

Supabase Auth puts nothing trustworthy about it into a token. Only a project's own access-token hook can, computed
from `auth.users.email_confirmed_at`. https://supabase.com/docs/guides/auth/auth-hooks/custom-access-token-hook
"""

from collections.abc import Mapping, Sequence

from tickctl.core.json import Json, JsonObject
from tickctl.core.tokens.timestamps import parse_timestamp
from tickctl.core.tokens.verdict import Reason, Refusal, Step


def confirmed_by_claim(claims: JsonObject, path: Sequence[str]) -> bool | None:
    """Return what the configured claim says: True, False, or `None` when it is absent or none is configured.

    Exactly `true` or an RFC 3339 timestamp confirms; `false` and `null` deny.

    Raises:
        Refusal: `malformed_claim`, anything else is at that path.
    """
    if not path:
        return None
    value: Json = claims
    for name in path:
        if not isinstance(value, (dict, Mapping)):  # nearly always a dict, which is quicker to tell
            raise _malformed(path)
        if name not in value:
            return None
        value = value[name]
    if value is None or value is False:
        return False
    if value is True or (isinstance(value, str) and parse_timestamp(value) is not None):
        return True
    raise _malformed(path)


def _malformed(path: Sequence[str]) -> Refusal:
    return Refusal(
        Reason.MALFORMED_CLAIM,
        Step.EMAIL,
        f"the confirmation claim {'.'.join(path)} is neither a boolean nor a timestamp",
        "let the access-token hook write true, false, null or email_confirmed_at",
    )
