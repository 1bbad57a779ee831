"""`valueFrom`, written and read."""

import pytest

from tickctl.core.ecs.references import Reference, block, parse_value_from, value_from

PARTIAL = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production"
ARN = f"{PARTIAL}-AbCdEf"


def test_reference_has_exactly_aws_s_form() -> None:
    """The full ARN, the key, and two empty fields."""
    assert value_from(ARN, "RABBITMQ_URL") == f"{ARN}:RABBITMQ_URL::"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (f"{ARN}:KEY::", Reference(ARN, "KEY")),
        (f"{ARN}:KEY:AWSPREVIOUS:", Reference(ARN, "KEY", "AWSPREVIOUS")),
        (f"{ARN}:KEY::0123", Reference(ARN, "KEY", None, "0123")),
        (f"{ARN}:KEY:AWSCURRENT:0123", Reference(ARN, "KEY", "AWSCURRENT", "0123")),
        (f"{ARN}:KEY", Reference(ARN, "KEY")),
        (ARN, Reference(ARN, None)),
        (f"{ARN}:::", Reference(ARN, None)),
        (f"{PARTIAL}:KEY::", Reference(PARTIAL, "KEY")),
        (f"{ARN}:KEY:::", None),
        ("arn:aws:ssm:eu-west-1:123456789012:parameter/gateway", None),
        ("gateway-parameter", None),
        ("arn:aws:secretsmanager:eu-west-1", None),
        ("", None),
    ],
)
def test_reference_is_taken_apart(text: str, reference: Reference | None) -> None:
    """Every form that ECS documents, and nothing else."""
    assert parse_value_from(text) == reference


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (Reference(ARN, "K"), True),
        (Reference(ARN, "K", "AWSCURRENT"), True),
        (Reference(ARN, "K", "AWSPREVIOUS"), False),
        (Reference(ARN, "K", None, "0123"), False),
    ],
)
def test_pinned_reference_is_not_current(reference: Reference, current: bool) -> None:
    """A stage or a version pins it."""
    assert reference.current is current


@pytest.mark.parametrize(
    ("arn", "is_it"),
    [
        (ARN, True),
        (PARTIAL, True),
        (f"{PARTIAL}-ZzZzZz", False),
        (f"{PARTIAL}-blue-AbCdEf", False),
        (ARN.replace("eu-west-1", "eu-west-2"), False),
    ],
)
def test_arn_without_its_six_characters_is_the_same_secret(arn: str, is_it: bool) -> None:
    """AWS takes it for the same; another secret with a longer name is another."""
    assert Reference(arn, "K").is_to(ARN) is is_it


def test_block_is_sorted_and_holds_each_key_once() -> None:
    """So that two runs print the same."""
    assert block(ARN, ["B", "A", "B"]) == [
        {"name": "A", "valueFrom": f"{ARN}:A::"},
        {"name": "B", "valueFrom": f"{ARN}:B::"},
    ]
