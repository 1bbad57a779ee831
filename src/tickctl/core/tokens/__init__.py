"""Supabase access tokens: what they must be, whose keys sign them, and the verdict about one.

Three layers, each to be proven alone: `verify_jws` (a signature, no claims), `check_claims` (the claims of a signed
token at a time) and `TokenVerifier`, which joins them with the keys, the live account and a cache.
"""

from tickctl.core.tokens.algorithms import Algorithm
from tickctl.core.tokens.auth_answer import read_user_answer
from tickctl.core.tokens.claims import UserClaims, check_claims
from tickctl.core.tokens.directory import Denial, UserDirectory, UserState
from tickctl.core.tokens.jws import Header, verify_jws
from tickctl.core.tokens.keys import MAX_JWKS_BYTES, KeySet
from tickctl.core.tokens.policy import Policy
from tickctl.core.tokens.remembered import RememberedTokens
from tickctl.core.tokens.sources import KeyCopy, KeySource, RemoteKeys, StaticKeys
from tickctl.core.tokens.verdict import Check, ConfirmationSource, Reason, Refusal, Result, Step, Verdict
from tickctl.core.tokens.verifier import TokenVerifier

__all__ = [
    "MAX_JWKS_BYTES",
    "Algorithm",
    "Check",
    "ConfirmationSource",
    "Denial",
    "Header",
    "KeyCopy",
    "KeySet",
    "KeySource",
    "Policy",
    "Reason",
    "Refusal",
    "RememberedTokens",
    "RemoteKeys",
    "Result",
    "StaticKeys",
    "Step",
    "TokenVerifier",
    "UserClaims",
    "UserDirectory",
    "UserState",
    "Verdict",
    "check_claims",
    "read_user_answer",
    "verify_jws",
]
