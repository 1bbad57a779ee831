"""Secret values, the files that they come from, and plans of where they go."""

from tickctl.core.secrets.masked import Secret

__all__ = ["Secret"]
