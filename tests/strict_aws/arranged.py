"""Things that tests find in place: a cluster, a task definition, a service that runs it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from strict_aws.moto import ACCOUNT
from strict_aws.server import StrictAws

CLUSTER: Final = "production"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/gateway-execution"


def definition(
    family: str = "gateway",
    *,
    containers: Sequence[str] = ("gateway",),
    environment: Mapping[str, str] | None = None,
    role: str | None = ROLE,
) -> dict[str, Any]:
    """Return a task definition for Fargate, as it is given to RegisterTaskDefinition."""
    return {
        "family": family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        **({"executionRoleArn": role} if role else {}),
        "containerDefinitions": [
            {
                "name": name,
                "image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/{name}:1.4.2",
                "essential": True,
                "portMappings": [{"containerPort": 8000}],
                "environment": [{"name": key, "value": value} for key, value in (environment or {}).items()],
            }
            for name in containers
        ],
    }


def given_service(
    aws: StrictAws,
    name: str = "gateway",
    *,
    cluster: str = CLUSTER,
    document: Mapping[str, Any] | None = None,
    desired: int = 2,
    **more: Any,
) -> str:
    """Make a cluster, unless it is there, a task definition and a service that runs it; return the revision's ARN."""
    client = aws.client("ecs")
    if not client.describe_clusters(clusters=[cluster])["clusters"]:
        client.create_cluster(clusterName=cluster)
    registered = client.register_task_definition(**(document or definition(name)))
    arn = registered["taskDefinition"]["taskDefinitionArn"]
    client.create_service(
        cluster=cluster,
        serviceName=name,
        taskDefinition=arn,
        desiredCount=desired,
        **({"launchType": "FARGATE"} | more),
    )
    return str(arn)
