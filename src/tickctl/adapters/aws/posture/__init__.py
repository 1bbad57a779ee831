"""An AWS account as an audit looks at it: read-only, in pages and batches, several requests at a time."""

from tickctl.adapters.aws.posture.collect import Posture
from tickctl.adapters.aws.posture.operations import READ_OPERATIONS

__all__ = ["READ_OPERATIONS", "Posture"]
