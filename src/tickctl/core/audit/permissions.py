"""What policy documents of IAM say to one question, as far as that can be told without AWS.

The rules are those of the IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements". What isn't
understood here, such as a condition on something that isn't known, makes the answer `UNSURE`, never a yes or a no.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Final

from tickctl.core.json import Json, JsonObject


class Decision(StrEnum):
    """What policies say."""

    ALLOWED = "allowed"
    DENIED = "denied"
    """In so many words, which outdoes everything that allows."""
    SILENT = "silent"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: may this be done with that?

    Attributes:
        action: such as `secretsmanager:GetSecretValue`.
        resource: its ARN.
        principals: for policies of resources, the names by which it is done: a role's ARN, for instance.
        context: keys of conditions whose value is known, in small letters.
    """

    action: str
    resource: str
    principals: frozenset[str] = frozenset()
    context: Mapping[str, str] = field(default_factory=dict)


def evaluate(documents: Iterable[JsonObject], question: Question) -> Decision:
    """Return what documents say together: identity policies, or the policy of a resource."""
    statements = [
        (statement.get("Effect"), _applies(statement, question))
        for document in documents
        for statement in _objects(document.get("Statement"))
    ]
    for effect, decision in (("Deny", Decision.DENIED), ("Allow", Decision.ALLOWED)):
        matches = [applies for found, applies in statements if found == effect]
        if True in matches:
            return decision
        if None in matches:
            return Decision.UNSURE
    return Decision.SILENT


def within(identity: Decision, boundary: Decision) -> Decision:
    """Return what is left of an identity's rights inside a permissions boundary."""
    if Decision.DENIED in (identity, boundary) or boundary is Decision.SILENT:
        return Decision.DENIED
    return Decision.UNSURE if boundary is Decision.UNSURE else identity


def together(identity: Decision, resource: Decision, *, both: bool) -> Decision:
    """Return what an identity's policies and those of a resource say together.

    Args:
        identity: what the policies of the one who asks say.
        resource: what the policy of the resource says to the one who asks.
        both: whether both have to allow it, as between accounts; within one, either does.
    """
    decisions = (identity, resource)
    if Decision.DENIED in decisions:
        return Decision.DENIED
    if Decision.UNSURE in decisions:
        return Decision.UNSURE
    enough = all if both else any
    return Decision.ALLOWED if enough(one is Decision.ALLOWED for one in decisions) else Decision.SILENT


def _applies(statement: JsonObject, question: Question) -> bool | None:
    """Return whether a statement is about the question; None if that can't be told."""
    matches = [
        _listed(statement, "Action", question.action, ignore_case=True),
        _listed(statement, "Resource", question.resource, ignore_case=False),
        _principal(statement, question.principals),
        *_conditions(statement.get("Condition"), question.context),
    ]
    if False in matches:
        return False
    return None if None in matches else True


def _listed(statement: JsonObject, element: str, wanted: str, *, ignore_case: bool) -> bool | None:
    if element in statement:
        patterns, turned = _texts(statement[element]), False
    elif f"Not{element}" in statement:
        patterns, turned = _texts(statement[f"Not{element}"]), True
    else:
        return None
    if ignore_case:
        wanted, patterns = wanted.lower(), [pattern.lower() for pattern in patterns]
    if any(_matches(pattern, wanted) for pattern in patterns):
        return not turned
    # A policy variable may stand for anything.
    return None if any("${" in pattern for pattern in patterns) else turned


def _principal(statement: JsonObject, principals: frozenset[str]) -> bool | None:
    if "NotPrincipal" in statement:
        return None
    if "Principal" not in statement:
        return True
    principal = statement["Principal"]
    names = _texts(principal.get("AWS")) if isinstance(principal, Mapping) else _texts(principal)
    return "*" in names or not principals.isdisjoint(names)


def _conditions(conditions: Json, context: Mapping[str, str]) -> Iterator[bool | None]:
    if not isinstance(conditions, Mapping):
        if conditions is not None:
            yield None
        return
    for operator, keys in conditions.items():
        if not isinstance(keys, Mapping):
            yield None
            continue
        for key, values in keys.items():
            yield _condition(operator.removesuffix("IfExists"), context.get(key.lower()), _texts(values))


def _condition(operator: str, known: str | None, values: Sequence[str]) -> bool | None:
    test = _TESTS.get(operator.replace("Not", "", 1))
    if known is None or test is None or any("${" in value for value in values):
        return None
    is_met = any(test(value, known) for value in values)
    return not is_met if "Not" in operator else is_met


@cache
def _pattern(text: str) -> re.Pattern[str]:
    pieces = re.split(r"([*?])", text)
    return re.compile("".join({"*": ".*", "?": "."}.get(piece) or re.escape(piece) for piece in pieces), re.DOTALL)


def _matches(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "Bool": lambda value, known: value.lower() == known.lower(),
    "StringEquals": lambda value, known: value == known,
    "StringEqualsIgnoreCase": lambda value, known: value.lower() == known.lower(),
    "StringLike": _matches,
    # With ARNs, "equals" knows wildcards as well.
    "ArnEquals": _matches,
    "ArnLike": _matches,
}
"""What a value of a condition says of the one that is known, by operator; each has a "Not", but for Bool."""


def _objects(value: Json) -> list[JsonObject]:
    """Return the objects of an element that holds one of them or several."""
    if isinstance(value, Mapping):
        return [value]
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def _texts(value: Json) -> list[str]:
    """Return the texts of an element that holds one of them or several; booleans are written as JSON has them."""
    many = value if isinstance(value, list | tuple) else (value,)
    return [str(each).lower() if isinstance(each, bool) else each for each in many if isinstance(each, bool | str)]
