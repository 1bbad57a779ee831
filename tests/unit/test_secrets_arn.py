"""Names and ARNs of secrets."""

import pytest

from tickctl.core.secrets.arn import account_of, full_arn, name_of, region_of, same_secret
from tickctl.errors import ConfigurationError

PARTIAL = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production"
ARN = f"{PARTIAL}-AbCdEf"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("gateway/production", "gateway/production", True),
        ("gateway/production", ARN, True),
        (ARN, "gateway/production", True),
        (ARN, "gateway/staging", False),
        ("gateway/production-AbCdEf", "gateway/production", False),
        (ARN, ARN.replace("eu-west-1", "us-east-1"), False),
    ],
)
def test_name_and_arn_can_mean_the_same_secret(one: str, other: str, same: bool) -> None:
    """The name stands in the ARN, before six characters of AWS's own."""
    assert same_secret(one, other) is same


@pytest.mark.parametrize(
    "arn", [ARN, ARN.replace("arn:aws:", "arn:aws-cn:"), ARN.replace("arn:aws:", "arn:aws-us-gov:")]
)
def test_full_arn_is_taken(arn: str) -> None:
    """In every partition."""
    assert full_arn(arn) == arn


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PARTIAL, "lacks the hyphen and the six characters"),
        ("gateway/production", "not the ARN of a secret"),
        (f"{ARN}:KEY::", "not the ARN of a secret"),
        (f"{ARN}\n", "not the ARN of a secret"),
        ("", "not the ARN of a secret"),
    ],
)
def test_anything_else_than_a_full_arn_is_refused(text: str, message: str) -> None:
    """ECS finds no key of a secret without all of it."""
    with pytest.raises(ConfigurationError, match=message):
        full_arn(text)


@pytest.mark.parametrize(("arn", "region"), [(ARN, "eu-west-1"), ("gateway", ""), ("", "")])
def test_region_comes_from_the_arn(arn: str, region: str) -> None:
    """Or isn't known."""
    assert region_of(arn) == region


@pytest.mark.parametrize(("arn", "account"), [(ARN, "123456789012"), ("gateway", ""), ("", "")])
def test_account_comes_from_the_arn(arn: str, account: str) -> None:
    """Or isn't known."""
    assert account_of(arn) == account


@pytest.mark.parametrize("secret_id", [ARN, PARTIAL, "gateway/production"])
def test_name_stands_in_the_arn(secret_id: str) -> None:
    """Without the six characters, if it has them."""
    assert name_of(secret_id) == "gateway/production"


def test_name_that_ends_like_an_arn_stays_whole() -> None:
    """Only an ARN has six characters of AWS's."""
    assert name_of("gateway-AbCdEf") == "gateway-AbCdEf"
