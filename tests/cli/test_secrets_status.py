"""`tickctl secrets status`: how far keys have come, before and after a push."""

from typing import Any

import pytest

from aws_support import QUICK, SECRET, SERVICE, TO, Operator
from strict_aws import Step, given_service
from strict_aws.arranged import definition


@pytest.fixture
def pushed(operator: Operator) -> Operator:
    """The example's files are pushed, and the service runs with them."""
    given_service(operator.aws, "gateway")
    result = operator.here("push", *TO, *SERVICE, *QUICK, "--yes")
    assert result.code == 0, result.err
    operator.aws.all_well()
    return operator


def states(found: dict[str, Any]) -> set[str]:
    """Return the states that keys have."""
    return {one["state"] for one in found["keys"]}


def test_before_the_first_push_all_keys_are_missing(operator: Operator) -> None:
    """There is no secret yet."""
    given_service(operator.aws, "gateway")
    result = operator.here("status", *TO, *SERVICE, "--json")
    assert result.code == 1
    assert states(result.json) == {"missing"}
    assert (result.json["arn"], result.json["version_id"], result.json["ok"]) == (None, None, False)


def test_after_a_push_all_keys_are_deployed(pushed: Operator) -> None:
    """In every task."""
    result = pushed.here("status", *TO, *SERVICE, "--json")
    assert result.code == 0
    assert states(result.json) == {"deployed"}
    assert result.json["ok"] is True
    assert all(one["referenced_by"] == ["gateway"] and one["same"] for one in result.json["keys"])
    [service] = result.json["services"]
    assert (service["service"], service["tasks"], service["older_tasks"]) == ("gateway", 2, 0)
    assert set(pushed.aws.operations) == {
        "DescribeSecret", "GetSecretValue", "DescribeServices", "ListTasks", "DescribeTasks", "DescribeTaskDefinition"
    }  # fmt: skip


def test_new_value_without_a_deployment_is_staged(pushed: Operator) -> None:
    """Running tasks never refresh by themselves."""
    pushed.write(RABBITMQ_URL="amqps://gateway:another@rabbitmq.internal:5671/")
    before = pushed.here("status", *TO, *SERVICE, "--json")
    assert {one["key"] for one in before.json["keys"] if one["state"] == "changed"} == {"RABBITMQ_URL"}
    assert pushed.here("push", *TO, "--yes").code == 0
    result = pushed.here("status", *TO, *SERVICE)
    assert result.code == 1
    assert "\tstaged\n" in result.out
    assert "2 from before the secret changed last" in result.err
    assert "a deployment that is under way finishes it" in result.err


def test_key_only_in_aws_is_no_drift(pushed: Operator) -> None:
    """It was left there on purpose."""
    keys = pushed.folder / "services" / "keys.env"
    kept = [line for line in keys.read_text().splitlines() if not line.startswith("RABBITMQ_URL=")]
    keys.write_text("\n".join(kept))
    result = pushed.here("status", *TO, *SERVICE, "--json")
    assert result.code == 0
    [key] = [one for one in result.json["keys"] if one["key"] == "RABBITMQ_URL"]
    assert (key["in_files"], key["in_aws"], key["same"], key["state"]) == (False, True, None, "only_in_aws")


def test_without_services_keys_are_stored(pushed: Operator) -> None:
    """And ECS is not asked."""
    result = pushed.here("status", *TO, "--json")
    assert result.code == 0
    assert states(result.json) == {"stored"}
    assert result.json["services"] is None
    assert pushed.aws.operations == ["DescribeSecret", "GetSecretValue"]


def test_without_files_aws_alone_is_looked_at(pushed: Operator) -> None:
    """As somebody does who has no files."""
    for name in (".env", "keys.env"):
        (pushed.folder / "services" / name).unlink()
    result = pushed.here("status", *TO, *SERVICE, "--json")
    assert result.code == 0
    assert {(one["in_files"], one["same"], one["state"]) for one in result.json["keys"]} == {(None, None, "deployed")}


def test_neither_files_nor_a_secret_is_not_found(operator: Operator) -> None:
    """There is nothing to say."""
    for name in (".env", "keys.env"):
        (operator.folder / "services" / name).unlink()
    result = operator.here("status", *TO)
    assert result.code == 6
    assert SECRET in result.err


def test_service_that_doesn_t_refer_to_the_secret(pushed: Operator) -> None:
    """Its keys are unreferenced there."""
    given_service(pushed.aws, "other", document=definition("other"))
    result = pushed.here("status", *TO, "--cluster", "production", "--service", "other", "--json")
    assert result.code == 1
    assert states(result.json) == {"unreferenced"}


def test_tasks_of_two_ages_are_partial(pushed: Operator) -> None:
    """A deployment is half through."""
    pushed.write(RABBITMQ_URL="amqps://gateway:another@rabbitmq.internal:5671/")
    pushed.aws.roll_out("gateway", Step.IN_PROGRESS)
    pushed.here("push", *TO, *SERVICE, "--poll", "0", "--timeout", "0", "--yes")
    result = pushed.here("status", *TO, *SERVICE, "--json")
    assert result.code == 1
    assert states(result.json) == {"partial"}


@pytest.mark.parametrize("operation", ["ListTasks", "DescribeTaskDefinition"])
def test_what_may_not_be_read_is_unknown(pushed: Operator, operation: str) -> None:
    """Never a yes."""
    pushed.aws.fail(operation, "AccessDeniedException", "not authorized", times=100)
    result = pushed.here("status", *TO, *SERVICE, "--json")
    assert result.code == 5
    assert states(result.json) == {"unknown"}
    assert result.json["ok"] is None
    assert result.json["services"][0]["older_tasks"] is None
    assert "can't be told" in result.err
    assert all(one["referenced_by"] is None for one in result.json["keys"])
    plain = pushed.here("status", *TO, *SERVICE)
    assert "how it is with 8 of 8 keys can't be told" in plain.err


def test_service_that_doesn_t_exist_is_not_found(pushed: Operator) -> None:
    """A slip of the hand is no state."""
    assert pushed.here("status", *TO, "--cluster", "production", "--service", "nobody").code == 6


def test_services_want_a_cluster(pushed: Operator) -> None:
    """AWS would look in one called default."""
    assert pushed.here("status", *TO, "--service", "gateway").code == 3


def test_table_fits_a_terminal(pushed: Operator) -> None:
    """Eighty columns are enough, and all names are whole."""
    result = pushed.here("status", *TO, *SERVICE, env={"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "80"})
    lines = result.out.splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert any(line.startswith("TRANSLATION_API_PASSWORD") and "deployed" in line for line in lines)
    assert "keys: all in place" in result.err
