"""What containers refer to, and what stands in the clear."""

from dataclasses import replace

import pytest

from audit_support import (
    ARN,
    DENIED,
    IMAGE,
    NOON,
    REVISION,
    ROLE,
    SERVICE,
    VALUES,
    VERSION,
    account,
    container,
    definition,
    found,
    named,
    only,
    referring,
    results,
    secret,
    state,
    task,
    with_container,
    with_tasks,
)
from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import (
    Image,
    SecretVersionFacts,
)
from tickctl.core.ecs.model import Container
from tickctl.core.findings import Result
from tickctl.core.secret import Secret
from tickctl.core.secrets.store import Phase

OLD = "22222222-2222-4333-8444-555555555555"
WARNING, FAIL, CANNOT_TELL, PASS = Result.WARNING, Result.FAIL, Result.CANNOT_TELL, Result.PASS


@pytest.mark.parametrize(
    ("where", "changed"),
    [
        ("environment DB_PASSWORD", container(environment=named(DB_PASSWORD="hunter2"))),
        ("label db.password", container(labels=named(**{"db.password": "hunter2"}))),
        ("log option splunk-token", container(log_options=named(**{"splunk-token": "hunter2"}))),
        ("command", container(command=(Secret("--password"), Secret("hunter2")))),
    ],
)
def test_the_subject_says_where_a_secret_stands(where: str, changed: Container) -> None:
    """Revision, container, kind and name."""
    facts = account(definitions={REVISION: definition(changed)})
    [finding] = found(facts, Check.PLAIN_SECRET)
    assert (finding.result, finding.subject) == (FAIL, f"task definition gateway:12, container gateway, {where}")


@pytest.mark.parametrize("places", ["keys of the secret", "env files"])
def test_a_known_name_is_a_secret_s(places: str) -> None:
    """Whatever it looks like."""
    facts = with_container(environment=named(GREETING="hello-world"))
    assert results(facts) == {}
    if places == "env files":
        assert results(facts, names=["GREETING"]) == {Check.PLAIN_SECRET: {FAIL}}
    else:
        facts = replace(facts, secrets={ARN: secret(VALUES | {"GREETING": "hello"})})
        assert results(facts) == {Check.PLAIN_SECRET: {FAIL}}


@pytest.mark.parametrize("unread", [DENIED, secret(versions={VERSION: DENIED})])
def test_without_the_secret_s_keys_a_plain_value_may_be_one_of_them(unread: object) -> None:
    """So it can't be told, unless it is harmless anyway."""
    facts = with_container(environment=named(GREETING="hello-world", LOG_LEVEL="info"))
    findings = found(replace(facts, secrets={ARN: unread}), Check.PLAIN_SECRET)  # type: ignore[dict-item] # either kind
    assert [(one.result, one.subject.rpartition(" ")[2]) for one in findings] == [(CANNOT_TELL, "GREETING")]
    assert "secret gateway/production" in findings[0].message


@pytest.mark.parametrize(
    "known",
    [
        secret(state=state(phase=Phase.ABSENT), versions={}),
        secret(state=state(stages={}), versions={}),
        secret(versions={VERSION: SecretVersionFacts(VERSION, None)}),
    ],
)
def test_a_secret_without_keys_has_no_names(known: object) -> None:
    """It isn't there, or it is no JSON object: both are known."""
    facts = with_container(environment=named(GREETING="hello-world"))
    assert only(replace(facts, secrets={ARN: known}), Check.PLAIN_SECRET) == {PASS}  # type: ignore[dict-item] # made here


@pytest.mark.parametrize(
    "image",
    [
        Image(named(DB_PASSWORD="hunter2"), (), ()),
        Image((), (), named(token="hunter2")),
        Image((), (Secret("--token=hunter2"),), ()),
    ],
)
def test_images_may_hold_secrets_everywhere(image: Image) -> None:
    """In ENV, in LABEL, in CMD."""
    assert results(account(images={IMAGE: image})) == {Check.IMAGE_ENV: {FAIL}}


def test_env_files_in_s3_are_not_looked_into() -> None:
    """So nothing that a variable decides can be told."""
    told = results(with_container(environment_files=1))
    variables = {Check.PLAIN_SECRET, Check.CONNECTION_URL, Check.ALLOW_UNCONFIRMED, Check.DEMO_SECRET}
    assert told == {key: {CANNOT_TELL} for key in variables}


def test_a_secret_that_is_to_be_deleted_counts_as_gone() -> None:
    """Tasks that start later won't get it; whether a role may read it is no matter then."""
    gone = secret(state=state(phase=Phase.SCHEDULED_FOR_DELETION), versions={})
    told = results(account(secrets={ARN: gone}, access=()))
    assert {code for code, kinds in told.items() if kinds - {Result.NOT_APPLICABLE}} == {Check.SECRET_EXISTS}
    [first, *_] = found(account(secrets={ARN: gone}, access=()), Check.SECRET_EXISTS)
    assert "restore-secret" in (first.mend or "")


def test_a_secret_that_was_asked_for_must_be_there() -> None:
    """Though nothing refers to it."""
    there = account(secrets={ARN: secret(), "gateway/next": secret()})
    assert results(there) == {}
    absent = account(secrets={ARN: secret(), "gateway/next": secret(state=state(phase=Phase.ABSENT), versions={})})
    [finding] = [one for one in found(absent, Check.SECRET_EXISTS) if one.result is FAIL]
    assert (finding.subject, finding.message) == ("secret gateway/next", "there is no secret gateway/next")
    unread = account(secrets={ARN: secret(), "gateway/next": DENIED})
    assert CANNOT_TELL in only(unread, Check.SECRET_EXISTS)


def test_parameters_of_ssm_are_not_looked_at() -> None:
    """One finding says so; there is no second one for each other check."""
    facts = referring("arn:aws:ssm:eu-west-1:123456789012:parameter/db")
    told = results(facts)
    assert told.pop(Check.SECRET_EXISTS) == {CANNOT_TELL}
    assert set().union(*told.values()) <= {Result.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("value_from", "check", "result"),
    [
        (f"{ARN}:REDIS_URL::", Check.SECRET_STAGE, PASS),
        (f"{ARN}:REDIS_URL:AWSCURRENT:", Check.SECRET_STAGE, PASS),
        (f"{ARN}:REDIS_URL:AWSPENDING:", Check.SECRET_STAGE, FAIL),
        (f"{ARN}:REDIS_URL:AWSPREVIOUS:", Check.SECRET_STAGE, WARNING),
        (f"{ARN}:REDIS_URL::{OLD}", Check.SECRET_STAGE, WARNING),
        (f"{ARN}:REDIS_URL::{VERSION}", Check.SECRET_STAGE, WARNING),
        (f"{ARN}:REDIS_URL:AWSPREVIOUS:{OLD}", Check.SECRET_STAGE, WARNING),
        (f"{ARN}:REDIS_URL:AWSCURRENT:{OLD}", Check.SECRET_STAGE, FAIL),
        (f"{ARN}:REDIS_URL::33333333-2222-4333-8444-555555555555", Check.SECRET_STAGE, FAIL),
        (f"{ARN}:REDIS_URL:AWSPREVIOUS:", Check.SECRET_KEY, PASS),
        (f"{ARN}:SUPABASE_JWT_SECRET:AWSPREVIOUS:", Check.SECRET_KEY, FAIL),
        (f"{ARN}", Check.SECRET_KEY, PASS),
        (f"{ARN}:NOT_THERE::", Check.SECRET_KEY, FAIL),
    ],
)
def test_references_name_keys_stages_and_versions(value_from: str, check: Check, result: Result) -> None:
    """Each is looked for in the version that is meant; pinning is a warning, since no push reaches it."""
    versions = {VERSION: ("AWSCURRENT",), OLD: ("AWSPREVIOUS",)}
    held = secret().versions | {OLD: SecretVersionFacts(OLD, {"REDIS_URL": Secret(VALUES["REDIS_URL"])})}  # type: ignore[operator] # a dict
    facts = referring(value_from, secrets={ARN: secret(state=state(stages=versions), versions=held)})
    assert only(facts, check) == {result}


def test_a_version_without_a_stage_may_be_there() -> None:
    """AWS doesn't list it; what was read is there, what was refused can't be told."""
    pinned = f"{ARN}:REDIS_URL::{OLD}"
    there = secret().versions | {OLD: SecretVersionFacts(OLD, {"REDIS_URL": Secret(VALUES["REDIS_URL"])})}  # type: ignore[operator] # a dict
    assert only(referring(pinned, secrets={ARN: secret(versions=there)}), Check.SECRET_STAGE) == {WARNING}
    refused = secret().versions | {OLD: DENIED}  # type: ignore[operator] # a dict
    assert only(referring(pinned, secrets={ARN: secret(versions=refused)}), Check.SECRET_STAGE) == {CANNOT_TELL}


def test_a_secret_that_is_no_json_object_has_no_keys() -> None:
    """A reference to all of it works, but nothing can be told of what it holds."""
    plain = secret(versions={VERSION: SecretVersionFacts(VERSION, None)})
    assert only(referring(f"{ARN}:REDIS_URL::", secrets={ARN: plain}), Check.SECRET_KEY) == {FAIL}
    facts = referring(ARN, secrets={ARN: plain})
    assert only(facts, Check.SECRET_KEY) == {PASS}
    assert CANNOT_TELL in only(facts, Check.CONNECTION_URL)


def test_references_need_an_execution_role() -> None:
    """ECS would not start the task; a definition without references needs none."""
    facts = account(definitions={REVISION: definition(execution_role=None)}, access=())
    assert results(facts) == {Check.SECRET_READABLE: {FAIL}}
    bare = account(definitions={REVISION: definition(container(secrets=()), execution_role=None)}, access=())
    assert only(bare, Check.SECRET_READABLE) == {Result.NOT_APPLICABLE}


def test_it_is_said_why_a_role_may_not_read() -> None:
    """As far as AWS says it."""
    refused = replace(account().access[0], allowed=False)
    facts = account(access=(replace(refused, why="a boundary is in the way"),))
    [finding] = found(facts, Check.SECRET_READABLE)
    assert finding.subject == "role gateway-execution, secret gateway/production"
    assert finding.message == "it may not read it: a boundary is in the way"
    assert found(account(access=(refused,)), Check.SECRET_READABLE)[0].message == "it may not read it"
    assert ROLE not in finding.subject


def test_stale_tasks_are_counted() -> None:
    """Equal times are no proof that a task has the value."""
    tasks = (task(), task(created_at=NOON), task(created_at=NOON.replace(hour=1)))
    [finding] = found(with_tasks(*tasks), Check.STALE_TASKS)
    assert finding.message == "2 of 3 tasks were made before the secret changed last"
    [alone] = found(with_tasks(task(created_at=NOON)), Check.STALE_TASKS)
    assert alone.message == "its task was made before the secret changed last"


def test_unknown_times_cannot_be_told() -> None:
    """Of the secret or of a task; a stale one beside it still fails."""
    never = account(secrets={ARN: secret(state=state(changed_at=None))})
    assert only(never, Check.STALE_TASKS) == {CANNOT_TELL}
    unknown = task(created_at=None)
    assert only(with_tasks(task(), unknown), Check.STALE_TASKS) == {CANNOT_TELL}
    assert only(with_tasks(task(created_at=NOON), unknown), Check.STALE_TASKS) == {FAIL}


def test_a_pinned_reference_never_grows_stale() -> None:
    """Its value doesn't change."""
    facts = referring(f"{ARN}:REDIS_URL::{VERSION}", tasks={SERVICE: (task(created_at=NOON),)})
    assert only(facts, Check.STALE_TASKS) == {Result.NOT_APPLICABLE}
