"""The header `Prefer` (RFC 7240) as PostgREST takes it."""

from collections.abc import Collection
from dataclasses import dataclass

from standin.postgrest.config import Config, Version
from standin.postgrest.errors import RestError

_KNOWN = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "return": ("representation", "headers-only", "minimal"),
    "count": ("exact", "planned", "estimated"),
    "tx": ("commit", "rollback"),
    "missing": ("default", "null"),
    "handling": ("strict", "lenient"),
    "params": ("single-object",),
}
# In which order they are listed as applied.
_ORDER = ("resolution", "missing", "return", "count", "params", "tx", "handling", "timezone", "max-affected")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a client prefers, by name."""

    values: dict[str, str]

    def get(self, name: str) -> str | None:
        """Return the value of a preference."""
        return self.values.get(name)

    @property
    def max_affected(self) -> int | None:
        """How many rows a change may touch; it counts only together with `handling=strict`."""
        wanted = self.values.get("max-affected")
        return int(wanted) if wanted is not None and self.values.get("handling") == "strict" else None

    def applied(self, *names: str) -> tuple[tuple[str, str], ...]:
        """Return the header that says which of these were followed."""
        told = [f"{name}={self.values[name]}" for name in _ORDER if name in names and name in self.values]
        return (("Preference-Applied", ", ".join(told)),) if told else ()


def parse(header: str | None, config: Config, time_zones: Collection[str]) -> Preferences:
    """Read the header; what isn't known is ignored, or refused where that was asked for.

    Raises:
        RestError: PGRST122.
    """
    values: dict[str, str] = {}
    unknown = []
    for preference in (part.strip() for part in (header or "").split(",")):
        name, _, value = preference.partition("=")
        if _is_known(name, value, config.version, time_zones):
            values.setdefault(name, value)
        elif preference:
            unknown.append(preference)
    if unknown and values.get("handling") == "strict":
        shown = ", ".join(unknown)
        raise RestError("PGRST122", "Invalid preferences given with handling=strict", f"Invalid preferences: {shown}")
    if not config.db_tx_end_override:
        values.pop("tx", None)
    return Preferences(values)


def _is_known(name: str, value: str, version: Version, time_zones: Collection[str]) -> bool:
    match name:
        case "timezone":
            return value in time_zones
        case "max-affected":
            return value.isdigit()
        case "params" if version >= 14:
            return False
        case _:
            return value in _KNOWN.get(name, ())
