"""Statements of IAM policies, written as AWS writes them."""

from collections.abc import Iterable, Sequence

from tickctl.core.json import Json, JsonObject


def actions_of(service: str, actions: Iterable[str]) -> list[str]:
    """Return a service's actions under their full names."""
    return [f"{service}:{action}" for action in actions]


def allow(
    sid: str, actions: Iterable[str], resources: str | Sequence[str], condition: JsonObject | None = None
) -> JsonObject:
    """Return a statement; one resource is written as a string, as AWS does."""
    listed = [resources] if isinstance(resources, str) else sorted(set(resources))
    statement: dict[str, Json] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": listed[0] if len(listed) == 1 else listed,
    }
    if condition is not None:
        statement["Condition"] = condition
    return statement
