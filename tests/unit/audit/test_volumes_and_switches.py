"""Volumes, and switches that belong to development."""

import pytest

from audit_support import (
    ARN,
    DENIED,
    REVISION,
    VALUES,
    account,
    definition,
    found,
    named,
    only,
    referring,
    secret,
    service,
    with_container,
    with_values,
)
from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import (
    Volume,
)
from tickctl.core.ecs.model import ManagedVolume
from tickctl.core.findings import Result

FAIL, CANNOT_TELL, PASS = Result.FAIL, Result.CANNOT_TELL, Result.PASS


@pytest.mark.parametrize(
    ("encrypted", "default", "result"),
    [
        (True, False, PASS),
        (False, True, FAIL),
        (None, True, PASS),
        (None, False, FAIL),
        (None, DENIED, CANNOT_TELL),
        (True, DENIED, PASS),
    ],
)
def test_where_a_volume_says_nothing_the_region_decides(
    encrypted: bool | None, default: object, result: Result
) -> None:
    """And where the region can't be asked, nothing can be told."""
    volumes = (ManagedVolume("scratch", encrypted),)
    facts = account(services=(service(volumes=volumes),), default_encryption=default)
    assert only(facts, Check.ECS_VOLUME) == {result}


def test_volumes_of_other_kinds_are_not_looked_at() -> None:
    """FSx, or those of a Docker driver."""
    facts = account(definitions={REVISION: definition(other_volumes=("fsx",))})
    assert only(facts, Check.ECS_VOLUME) == {PASS, CANNOT_TELL}


def test_it_is_said_where_a_volume_is_attached() -> None:
    """As far as AWS says it."""
    facts = account(volumes=(Volume("vol-1", encrypted=False, attached_to=("i-1",)), Volume("vol-2", encrypted=False)))
    messages = [finding.message for finding in found(facts, Check.EBS_VOLUME)]
    assert messages == ["it is in use, attached to i-1, and not encrypted", "it is in use and not encrypted"]


@pytest.mark.parametrize(
    ("value", "result"), [("true", FAIL), ("1", FAIL), ("false", PASS), (" FALSE ", PASS), ("", PASS)]
)
def test_only_false_and_nothing_switch_it_off(value: str, result: Result) -> None:
    """In the clear as in the secret."""
    assert only(with_values(SUPABASE_ALLOW_UNCONFIRMED=value), Check.ALLOW_UNCONFIRMED) == {PASS, result}
    plain = with_container(environment=named(SUPABASE_ALLOW_UNCONFIRMED=value))
    assert only(plain, Check.ALLOW_UNCONFIRMED) == {PASS, result}


def test_a_renamed_demo_key_is_one() -> None:
    """Under whatever name a container gets it."""
    demo = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIn0.c2ln"
    facts = referring(f"{ARN}:other::", "KEY", secrets={ARN: secret(VALUES | {"other": demo})})
    subjects = {one.subject for one in found(facts, Check.DEMO_SECRET) if one.result is FAIL}
    assert subjects == {
        "task definition gateway:12, container gateway, secret KEY",
        "secret gateway/production, key other",
    }
