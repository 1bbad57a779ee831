"""A policy that would let the wrong ones in, or nobody, is refused when it is made."""

from collections.abc import Callable
from typing import Any

import pytest

from tickctl.core.tokens import Policy
from tickctl.errors import ConfigurationError


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": ""},
        {"audience": ""},
        {"roles": frozenset()},
        {"roles": frozenset({""})},
        {"roles": frozenset({"authenticated", "anon"})},
        {"roles": frozenset({"service_role"})},
        {"roles": frozenset({"supabase_admin"})},
        {"leeway": -1},
        {"max_lifetime": 0},
        {"confirmed_claim": ("user_metadata", "email_verified")},
        {"confirmed_claim": ("user_metadata",)},
        {"confirmed_claim": ("app_metadata", "")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_unsafe_choice_is_a_configuration_error(change: dict[str, Any], make_policy: Callable[..., Policy]) -> None:
    """Each is refused with a hint, before any token is looked at."""
    with pytest.raises(ConfigurationError) as caught:
        make_policy(**change)
    assert caught.value.hint


def test_defaults_are_the_strict_ones() -> None:
    """Who chooses nothing gets the rules of the specification."""
    policy = Policy(issuer=None)
    assert policy.audience == "authenticated"
    assert policy.roles == {"authenticated"}
    assert policy.leeway == 30
    assert policy.max_lifetime == 7 * 24 * 3600
    assert policy.require_confirmed
    assert not policy.allow_anonymous
    assert not policy.allow_oauth_clients
    assert policy.confirmed_claim == ()
