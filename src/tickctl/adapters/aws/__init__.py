"""AWS: one session, a module for each service, and what AWS's refusals mean."""

from tickctl.adapters.aws.access import Aws, open_aws

__all__ = ["Aws", "open_aws"]
