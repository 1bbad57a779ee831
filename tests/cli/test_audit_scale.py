"""`tickctl audit` of many services: the number of calls is bounded, and memory doesn't grow with the tasks."""

import copy
import json
import subprocess
import sys
from collections import Counter
from typing import Final

import pytest

from aws_support import Operator
from posture_support import Account
from strict_aws import CLUSTER, REGION, StrictAws
from tickctl.core.audit.catalogue import Check

TASKS: Final = 20
A_TASK: Final = 4096
"""The most bytes that one more task may take, with its share of its service."""
# Runs a command, and tells how much more memory it had at most than when it began to look.
_MEASURED: Final = """
import sys, tracemalloc
from tickctl.adapters.aws.posture import Posture
from tickctl.cli.main import run

read = Posture.read

def measured(self, scope, *, progress):
    for service in ("ecs", "ec2", "elbv2", "efs", "iam", "kms", "ecr", "secretsmanager"):
        self._connect(service)  # AWS's descriptions of its services are megabytes, however many services run
    tracemalloc.start()
    facts = read(self, scope, progress=progress)
    print(tracemalloc.get_traced_memory()[1], file=sys.stderr)
    return facts

Posture.read = measured
sys.exit(run(sys.argv[1:]))
"""


def have_services(account: Account, first: int, last: int) -> None:
    """Run services, each with a task definition of its own."""
    template = copy.deepcopy(account.document)
    for number in range(first, last):
        account.document.clear()
        account.document.update(copy.deepcopy(template), family=f"service-{number:02}")
        account.run(f"service-{number:02}")


@pytest.fixture
def account(aws: StrictAws) -> Account:
    """The sound account; its services have many tasks."""
    made = Account(aws)
    made.service["desired"] = TASKS
    made.deploy()
    return made


def peak(operator: Operator) -> int:
    """Return how many bytes an audit takes at most."""
    run = subprocess.run(
        [sys.executable, "-c", _MEASURED, "audit", "--region", REGION, "--cluster", CLUSTER, "--json"],
        env=operator.environ,
        cwd=operator.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert {finding["result"] for finding in json.loads(run.stdout)["findings"]} == {"pass"}
    return int(next(line for line in run.stderr.splitlines() if line.isdigit()))


def test_fifty_services_of_twenty_tasks(aws: StrictAws, operator: Operator, account: Account) -> None:
    """What AWS describes in batches is asked for in batches, and everything once; a task takes little memory."""
    have_services(account, 1, 10)
    few = peak(operator)
    have_services(account, 10, 50)
    assert peak(operator) - few < 40 * TASKS * A_TASK
    aws.all_well()
    result = operator.command("audit", "--region", REGION, "--json")
    assert result.code == 0, result.err
    assert {finding["code"] for finding in result.json["findings"]} == set(Check)
    assert len(result.json["services"]) == 50
    asked = Counter(aws.operations)
    # A list for each service, and a description for each revision: AWS has no batches of these.
    assert asked.pop("ListTasks") == asked.pop("DescribeTaskDefinition") == 50
    assert asked.pop("DescribeServices") == 50 / 10
    assert asked.pop("DescribeTasks") == 50 * TASKS / 100
    assert asked.pop("DescribeNetworkInterfaces") == 50 * TASKS / 200
    # The right to read the secret and that to decrypt it.
    assert asked.pop("SimulatePrincipalPolicy") == 2
    assert set(asked.values()) == {1}
