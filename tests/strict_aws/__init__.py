"""A stand-in for AWS: moto's resources behind layers that refuse what AWS refuses and roll out as ECS does."""

from strict_aws.arranged import CLUSTER, ROLE, given_service
from strict_aws.deployments import Step
from strict_aws.moto import ACCOUNT
from strict_aws.server import REGION, Call, StrictAws, strict_aws

__all__ = ["ACCOUNT", "CLUSTER", "REGION", "ROLE", "Call", "Step", "StrictAws", "given_service", "strict_aws"]
