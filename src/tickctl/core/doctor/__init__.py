"""What is wrong with a set-up, judged by facts that were looked up elsewhere: pure, and names only."""

from tickctl.core.doctor.catalogue import Area, Check, area_of
from tickctl.core.doctor.outcomes import judge

__all__ = ["Area", "Check", "area_of", "judge"]
