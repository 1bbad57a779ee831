"""What policy documents say to a question."""

from typing import Any

import pytest

from tickctl.core.audit.permissions import Decision, Question, evaluate, together, within

ACTION = "secretsmanager:GetSecretValue"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf"
ROLE = "arn:aws:iam::123456789012:role/execution"
YES, NO, SILENT, UNSURE = Decision.ALLOWED, Decision.DENIED, Decision.SILENT, Decision.UNSURE


def said(*statements: object, **context: str) -> Decision:
    """Return what a policy with these statements says of a role that fetches a secret."""
    known = {name.replace("_", ":", 1): value for name, value in context.items()}
    question = Question(ACTION, ARN, frozenset({ROLE}), known)
    return evaluate([{"Version": "2012-10-17", "Statement": list(statements)}], question)  # type: ignore[list-item]  # also what is no statement


def statement(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    """Return a statement about the action and the secret; None removes an element."""
    found = {"Effect": effect, "Action": ACTION, "Resource": ARN} | more
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (ACTION, YES),
        ("*", YES),
        ("secretsmanager:*", YES),
        ("secretsmanager:Get?ecretValue", YES),
        ("SecretsManager:getsecretvalue", YES),
        (["s3:*", ACTION], YES),
        ("secretsmanager:Get", SILENT),
        ("secretsmanager.GetSecretValue", SILENT),
        ("s3:*", SILENT),
        ([], SILENT),
        (7, SILENT),
    ],
)
def test_an_action_is_a_pattern_in_any_case(action: object, expected: Decision) -> None:
    """A star is any number of characters, a question mark one; all else is itself."""
    assert said(statement(Action=action)) is expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (ARN, YES),
        ("*", YES),
        (ARN.replace("AbCdEf", "??????"), YES),
        (ARN.replace("AbCdEf", "?????"), SILENT),
        (ARN.upper(), SILENT),
        (f"{ARN}x", SILENT),
        (["arn:aws:s3:::a", ARN], YES),
        ("arn:aws:secretsmanager:*:secret:${aws:PrincipalTag/team}/*", UNSURE),
        (["arn:${a}", ARN], YES),
    ],
)
def test_a_resource_is_a_pattern_in_its_own_case(resource: object, expected: Decision) -> None:
    """A variable of the policy may stand for anything."""
    assert said(statement(Resource=resource)) is expected


def test_what_is_excepted_is_turned_round() -> None:
    """NotAction and NotResource."""
    assert said(statement(Action=None, NotAction="s3:*")) is YES
    assert said(statement(Action=None, NotAction=["s3:*", ACTION])) is SILENT
    assert said(statement(Resource=None, NotResource="arn:aws:s3:::a")) is YES
    assert said(statement(Resource=None, NotResource=ARN)) is SILENT
    assert said(statement(Resource=None, NotResource="${a}")) is UNSURE


def test_a_statement_without_an_element_can_t_be_judged() -> None:
    """It isn't a policy as IAM has it."""
    assert said(statement(Action=None)) is UNSURE
    assert said(statement(Resource=None)) is UNSURE
    assert said(statement("Maybe")) is SILENT
    assert said("Allow", 7, None) is SILENT
    assert evaluate([{}, {"Statement": 7}], Question(ACTION, ARN)) is SILENT


def test_a_statement_may_stand_alone() -> None:
    """Without the list around it."""
    assert evaluate([{"Statement": statement()}], Question(ACTION, ARN)) is YES


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ((), SILENT),
        ((statement(), statement("Deny")), NO),
        ((statement("Deny"), statement()), NO),
        ((statement(), statement("Deny", Action="s3:*")), YES),
        ((statement(), statement("Deny", Resource="${a}")), UNSURE),
        ((statement("Deny"), statement("Deny", Resource="${a}")), NO),
        ((statement(Resource="${a}"), statement()), YES),
        ((statement(Resource="${a}", Action="s3:*"),), SILENT),
    ],
)
def test_a_deny_goes_before_everything(statements: tuple[dict[str, Any], ...], expected: Decision) -> None:
    """Also one of which it isn't known whether it applies goes before what allows."""
    assert said(*statements) is expected


def test_documents_count_together() -> None:
    """One may deny what another allows."""
    both = [{"Statement": [statement()]}, {"Statement": [statement("Deny")]}]
    assert evaluate(both, Question(ACTION, ARN)) is NO
    assert evaluate(both[:1], Question(ACTION, ARN)) is YES
    assert evaluate([], Question(ACTION, ARN)) is SILENT


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("*", YES),
        ({"AWS": "*"}, YES),
        ({"AWS": ROLE}, YES),
        ({"AWS": ["arn:aws:iam::1:root", ROLE]}, YES),
        ({"AWS": ROLE.replace("execution", "*")}, SILENT),
        ({"AWS": "arn:aws:iam::123456789012:root"}, SILENT),
        ({"Service": "ecs-tasks.amazonaws.com"}, SILENT),
        ({"Service": "*"}, SILENT),
    ],
)
def test_a_principal_is_named_in_full(principal: object, expected: Decision) -> None:
    """Or is everybody."""
    assert said(statement(Principal=principal)) is expected


def test_everybody_but_somebody_can_t_be_judged() -> None:
    """NotPrincipal has rules of its own."""
    assert said(statement(NotPrincipal={"AWS": ROLE})) is UNSURE
    assert said(statement("Deny", NotPrincipal={"AWS": ROLE})) is UNSURE


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, YES),
        ({"StringEquals": {"kms:ViaService": "secretsmanager"}}, YES),
        ({"StringEquals": {"KMS:viaservice": ["s3", "secretsmanager"]}}, YES),
        ({"StringEquals": {"kms:ViaService": "secrets*"}}, SILENT),
        ({"StringEquals": {"kms:ViaService": "SecretsManager"}}, SILENT),
        ({"StringEqualsIgnoreCase": {"kms:ViaService": "SecretsManager"}}, YES),
        ({"StringNotEqualsIgnoreCase": {"kms:ViaService": "SecretsManager"}}, SILENT),
        ({"StringEqualsIfExists": {"kms:ViaService": "secretsmanager"}}, YES),
        ({"StringNotEquals": {"kms:ViaService": "s3"}}, YES),
        ({"StringNotEquals": {"kms:ViaService": ["s3", "secretsmanager"]}}, SILENT),
        ({"StringLike": {"kms:ViaService": "secrets*"}}, YES),
        ({"StringNotLike": {"kms:ViaService": "secrets*"}}, SILENT),
        ({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}, YES),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}, SILENT),
        ({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}, YES),
        ({"Bool": {"aws:SecureTransport": "true"}}, YES),
        ({"Bool": {"aws:SecureTransport": True}}, YES),
        ({"Bool": {"aws:SecureTransport": "false"}}, SILENT),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, UNSURE),
        ({"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}, UNSURE),
        ({"StringEquals": {"aws:PrincipalArn": "${aws:PrincipalArn}"}}, UNSURE),
        ({"DateGreaterThan": {"aws:PrincipalArn": "2020"}}, UNSURE),
        ({"Null": {"kms:ViaService": "false"}}, UNSURE),
        ({"ForAnyValue:StringEquals": {"kms:ViaService": "secretsmanager"}}, UNSURE),
        ({"StringEquals": "secretsmanager"}, UNSURE),
        ("sometimes", UNSURE),
        ({"StringEquals": {"kms:ViaService": "secretsmanager"}, "Null": {"a": "true"}}, UNSURE),
        ({"StringEquals": {"kms:ViaService": "s3", "a:b": "c"}}, SILENT),
    ],
)
def test_conditions_hold_all_or_the_statement_says_nothing(condition: object, expected: Decision) -> None:
    """What isn't known, or isn't understood, can't be told; unless another condition fails."""
    found = said(
        statement(Condition=condition),
        kms_viaservice="secretsmanager",
        aws_principalarn=ROLE,
        aws_securetransport="true",
    )
    assert found is expected


@pytest.mark.parametrize(
    ("identity", "boundary", "expected"),
    [
        (YES, YES, YES), (SILENT, YES, SILENT), (UNSURE, YES, UNSURE), (NO, YES, NO),
        (YES, SILENT, NO), (YES, NO, NO), (UNSURE, SILENT, NO),
        (YES, UNSURE, UNSURE), (SILENT, UNSURE, UNSURE), (NO, UNSURE, NO),
    ],
)  # fmt: skip
def test_a_boundary_gives_nothing_and_limits(identity: Decision, boundary: Decision, expected: Decision) -> None:
    """What it doesn't allow is out of reach."""
    assert within(identity, boundary) is expected


@pytest.mark.parametrize(
    ("identity", "resource", "either", "both"),
    [
        (YES, YES, YES, YES), (YES, SILENT, YES, SILENT), (SILENT, YES, YES, SILENT), (SILENT, SILENT, SILENT, SILENT),
        (YES, NO, NO, NO), (NO, YES, NO, NO), (YES, UNSURE, UNSURE, UNSURE), (UNSURE, YES, UNSURE, UNSURE),
        (NO, UNSURE, NO, NO),
    ],
)  # fmt: skip
def test_within_an_account_one_is_enough(
    identity: Decision, resource: Decision, either: Decision, both: Decision
) -> None:
    """Between accounts it takes both; what might deny leaves it open."""
    assert together(identity, resource, both=False) is either
    assert together(identity, resource, both=True) is both
