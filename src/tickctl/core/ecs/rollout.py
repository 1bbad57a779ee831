"""What has become of a deployment that was started."""

from enum import StrEnum

from tickctl.core.ecs.port import Service


class RolloutState(StrEnum):
    """Where one deployment is."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    REPLACED = "replaced"
    """Another deployment has its place: rolled back by the circuit breaker, or somebody deployed again."""


def judge(service: Service, deployment_id: str) -> RolloutState:
    """Say what has become of the deployment with this id; nothing else about the service counts."""
    raise NotImplementedError
