"""Secret values and, later, the files and plans that carry them."""

from tickctl.core.secrets.masked import Secret

__all__ = ["Secret"]
