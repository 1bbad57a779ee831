"""EC2 as it is: limits that moto doesn't know, and the interfaces of tasks.

Amazon EC2 API reference ("Query requests", DescribeRouteTables, DescribeNetworkInterfaces) and ECS developer guide
("Amazon ECS task networking options for Fargate"): a task with awsvpc has an interface in one of the service's subnets.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from moto.ec2.models import EC2Backend, ec2_backends

from strict_aws import moto
from strict_aws.wire import AwsError, Question

_MOST_VALUES: Final = 200
_LARGEST_PAGE: Final = {"DescribeRouteTables": 100}


def check(question: Question) -> None:
    """Refuse what asks too much at once.

    Raises:
        AwsError: AWS would refuse.
    """
    if question.service != "ec2":
        return
    values = Counter(name.partition(".Value.")[0] for name in question.parameters if ".Value." in name)
    if values and max(values.values()) > _MOST_VALUES:
        raise AwsError(
            "FilterLimitExceeded", f"The maximum number of filter values specified on a single call is {_MOST_VALUES}"
        )
    size = question.parameters.get("MaxResults")
    most = _LARGEST_PAGE.get(question.operation, 1000)
    if size is not None and not 5 <= int(size) <= most:
        message = f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value between 5 and {most}."
        raise AwsError("InvalidParameterValue", message)


def connected(region: str, network: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Make the interface of a task, and return the task's attachments; none where nobody made the subnet."""
    wanted = (network or {}).get("awsvpcConfiguration") or {}
    backend: EC2Backend = ec2_backends[moto.ACCOUNT][region]
    known = [
        subnet for subnets in backend.subnets.values() for subnet in subnets if subnet in wanted.get("subnets", ())
    ]
    if not known:
        return []
    made = backend.create_network_interface(
        known[0],
        "",
        group_ids=wanted.get("securityGroups"),
        public_ip_auto_assign=wanted.get("assignPublicIp") == "ENABLED",
    )
    details = {"subnetId": made.subnet.id, "networkInterfaceId": made.id, "privateIPv4Address": made.private_ip_address}
    return [
        {
            "id": str(uuid4()),
            "type": "ElasticNetworkInterface",
            "status": "ATTACHED",
            "details": [{"name": name, "value": value} for name, value in details.items()],
        }
    ]
