"""The set of keys that a project trusts, and which of them a token may have been signed with."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tickctl.core.secret import Secret
from tickctl.core.tokens.algorithms import Algorithm, Key
from tickctl.core.tokens.encoding import EncodingError, parse_object
from tickctl.core.tokens.hmac_secret import hmac_secret
from tickctl.core.tokens.jwk import UnusableKeyError, describe, key_from_jwk
from tickctl.core.tokens.verdict import quoted
from tickctl.errors import ConfigurationError

MAX_JWKS_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by `kid`, and those that have none; `notes` say which keys were left out, and why.

    Two keys with one `kid` are both left out: nothing says which of them is meant.
    """

    keys: tuple[Key, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    _named: Mapping[str, Key] = field(init=False, repr=False, compare=False)
    _nameless: tuple[Key, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        uses = Counter(key.key_id for key in self.keys if key.key_id is not None)
        twice = sorted(key_id for key_id, count in uses.items() if count > 1)
        keys = tuple(key for key in self.keys if key.key_id not in twice)
        notes = (f"key {quoted(key_id)} is left out: it appears more than once" for key_id in twice)
        named = {key.key_id: key for key in keys if key.key_id is not None}
        object.__setattr__(self, "keys", keys)
        object.__setattr__(self, "notes", (*self.notes, *notes))
        object.__setattr__(self, "_named", named)
        object.__setattr__(self, "_nameless", tuple(key for key in keys if key.key_id is None))

    @classmethod
    def from_secret(cls, secret: Secret, *, loopback: bool = False) -> "KeySet":
        """Make the set of one HS256 secret; merge two of them while a secret is being changed.

        Raises:
            ConfigurationError: the secret breaks a rule of `hmac_secret`.
        """
        return cls((Key(Algorithm.HS256, None, hmac_secret(secret, loopback=loopback)),))

    @classmethod
    def from_jwks(cls, document: str | bytes, *, allow_symmetric: bool) -> "KeySet":
        """Read a JWK set (RFC 7517 section 5). A key that can't be used is skipped with a note.

        Args:
            document: the JSON text.
            allow_symmetric: whether `oct` keys count; never for a document that came from a URL.

        Raises:
            ConfigurationError: this is no JWK set at all.
        """
        data = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
        if len(data) > MAX_JWKS_BYTES:
            raise ConfigurationError(f"the JWK set is larger than {MAX_JWKS_BYTES // 1024} KiB")
        try:
            members = parse_object(data).get("keys")
        except EncodingError as error:
            raise ConfigurationError(f"the JWK set can't be read: {error}") from None
        if not isinstance(members, Sequence) or isinstance(members, str):
            raise ConfigurationError(
                "the JWK set has no list of keys", hint='It looks like {"keys": [{"kty": "EC", …}]}.'
            )
        keys: list[Key] = []
        notes: list[str] = []
        for position, jwk in enumerate(members, start=1):
            try:
                if not isinstance(jwk, Mapping):
                    raise UnusableKeyError("it is not an object")  # noqa: TRY301 - one place writes the note
                keys.append(key_from_jwk(jwk, allow_symmetric=allow_symmetric))
            except UnusableKeyError as error:
                notes.append(f"{describe(jwk, position)} is left out: {error}")
        return cls(tuple(keys), tuple(notes))

    def merge(self, other: "KeySet") -> "KeySet":
        """Return the keys of both; a key that both hold counts once."""
        added = tuple(key for key in other.keys if key not in self.keys)
        return KeySet(self.keys + added, self.notes + other.notes)

    def candidates(self, key_id: str | None, algorithm: Algorithm) -> tuple[Key, ...]:
        """Return the keys that a token with this header names; whether their algorithm agrees is not yet looked at.

        A known `kid` names its key, no `kid` names the keys without one. Supabase puts a `kid` that it does not
        publish on HS256 tokens, so there an unknown one means the configured secrets.
        """
        if key_id is None:
            return self._nameless
        if (key := self._named.get(key_id)) is not None:
            return (key,)
        if algorithm is Algorithm.HS256:
            return tuple(key for key in self._nameless if key.algorithm is Algorithm.HS256)
        return ()
