"""Each check of the catalogue passes, fails and can't be told, and says nothing of the others."""

from dataclasses import replace

import pytest

from audit_support import (
    ARN,
    BALANCER,
    DENIED,
    HTTP,
    HTTPS,
    IMAGE,
    NOON,
    REVISION,
    ROLE,
    SERVICE,
    TARGETS,
    VALUES,
    account,
    balancer,
    container,
    definition,
    found,
    group,
    named,
    results,
    secret,
    service,
    state,
    task,
    with_container,
    with_tasks,
    with_values,
)
from tickctl.core.audit import judge as judging
from tickctl.core.audit.catalogue import BY_CODE, Check
from tickctl.core.audit.facts import (
    Access,
    AccountFacts,
    Action,
    FileSystem,
    Image,
    Ingress,
    Interface,
    Route,
    Subnet,
    TlsPolicy,
    Volume,
)
from tickctl.core.audit.judge import judge
from tickctl.core.ecs.model import EfsMount, ManagedVolume, Network
from tickctl.core.findings import Result, verdict
from tickctl.core.secret import Secret
from tickctl.core.secrets.store import Phase

OLD_TLS = TlsPolicy("old", ("TLSv1", "TLSv1.2"))
FAULTS: dict[Check, AccountFacts] = {
    Check.PLAIN_SECRET: with_container(environment=named(DB_PASSWORD="hunter2")),
    Check.SECRET_EXISTS: account(secrets={ARN: secret(state=state(phase=Phase.ABSENT), versions={})}, access=()),
    Check.SECRET_KEY: with_container(secrets=(("A", f"{ARN}:A::"),)),
    Check.SECRET_STAGE: with_container(secrets=(("REDIS_URL", f"{ARN}:REDIS_URL:AWSPREVIOUS:"),)),
    Check.SECRET_READABLE: account(access=(Access(ROLE, ARN, allowed=False, why="a boundary is in the way"),)),
    Check.IMAGE_ENV: account(images={IMAGE: Image(named(API_TOKEN="tttttttt"), (), ())}),
    Check.STALE_TASKS: with_tasks(task(created_at=NOON)),
    Check.NETWORK_MODE: account(definitions={REVISION: definition(network_mode="bridge")}),
    Check.PUBLIC_IP: account(services=(service(networks=(Network(("subnet-1",), ("sg-1",), public_ip=True),)),)),
    Check.PUBLIC_SUBNET: account(
        subnets={"subnet-1": Subnet("subnet-1", (Route("0.0.0.0/0", "igw-1"),))},
    ),
    Check.OPEN_SECURITY_GROUP: account(groups={"sg-1": group(Ingress("tcp", (22, 22), cidrs=("::/0",)))}),
    Check.HOST_NAMESPACE: account(definitions={REVISION: definition(pid_mode="host")}),
    Check.PRIVILEGED: with_container(privileged=True),
    Check.CONNECTION_URL: with_values(RABBITMQ_URL="amqp://queue.internal"),
    Check.HTTPS_LISTENER: account(load_balancers={BALANCER: balancer(HTTP)}),
    Check.HTTP_REDIRECT: account(
        load_balancers={BALANCER: balancer(replace(HTTP, actions=(Action("forward"),)), HTTPS)}
    ),
    Check.TLS_POLICY: account(load_balancers={BALANCER: balancer(HTTP, replace(HTTPS, tls_policy=OLD_TLS))}),
    Check.EBS_VOLUME: account(volumes=(Volume("vol-1", encrypted=False),)),
    Check.EBS_DEFAULT: account(default_encryption=False),
    Check.ECS_VOLUME: account(services=(service(volumes=(ManagedVolume("scratch", encrypted=False),)),)),
    Check.EFS_TRANSIT: account(
        definitions={REVISION: definition(efs=(EfsMount("shared", "fs-1", transit_encryption=False),))}
    ),
    Check.EFS_AT_REST: account(file_systems={"fs-1": FileSystem("fs-1", encrypted=False)}),
    Check.ALLOW_UNCONFIRMED: with_values(SUPABASE_ALLOW_UNCONFIRMED="true"),
    Check.DEMO_SECRET: with_values(SUPABASE_JWT_SECRET="super-secret-jwt-token-with-at-least-32-characters-long"),
}
OF_DEFINITIONS = {
    Check.PLAIN_SECRET,
    Check.SECRET_EXISTS,
    Check.SECRET_KEY,
    Check.SECRET_STAGE,
    Check.SECRET_READABLE,
    Check.IMAGE_ENV,
    Check.STALE_TASKS,
    Check.NETWORK_MODE,
    Check.HOST_NAMESPACE,
    Check.PRIVILEGED,
    Check.CONNECTION_URL,
    Check.ECS_VOLUME,
    Check.EFS_TRANSIT,
    Check.EFS_AT_REST,
    Check.ALLOW_UNCONFIRMED,
    Check.DEMO_SECRET,
}
OF_VALUES = {Check.SECRET_KEY, Check.CONNECTION_URL, Check.ALLOW_UNCONFIRMED, Check.DEMO_SECRET}
OF_SECRETS = OF_VALUES | {Check.SECRET_EXISTS, Check.SECRET_STAGE, Check.STALE_TASKS}
OF_LISTENERS = {Check.HTTPS_LISTENER, Check.HTTP_REDIRECT, Check.TLS_POLICY}
OF_TASKS = {Check.STALE_TASKS, Check.PUBLIC_IP, Check.PUBLIC_SUBNET, Check.OPEN_SECURITY_GROUP}
OF_THE_REGION = {Check.EBS_VOLUME, Check.EBS_DEFAULT}
UNREADABLE: list[tuple[str, AccountFacts, set[Check]]] = [
    ("the list of services", account(unlisted=(DENIED,)), set(Check) - OF_THE_REGION),
    ("a task definition", account(definitions={REVISION: DENIED}), OF_DEFINITIONS),
    ("tasks", account(tasks={SERVICE: DENIED}), OF_TASKS),
    ("a secret", account(secrets={ARN: DENIED}), OF_SECRETS),
    (
        "a secret's value",
        account(secrets={ARN: secret(versions={state().version_of("AWSCURRENT"): DENIED})}),
        OF_VALUES,
    ),
    ("a role", account(access=(Access(ROLE, ARN, DENIED),)), {Check.SECRET_READABLE}),
    ("an image", account(images={IMAGE: DENIED}), {Check.IMAGE_ENV}),
    ("a subnet", account(subnets={"subnet-1": DENIED}), {Check.PUBLIC_SUBNET}),
    ("a route table", account(subnets={"subnet-1": Subnet("subnet-1", DENIED)}), {Check.PUBLIC_SUBNET}),
    ("a security group", account(groups={"sg-1": DENIED}), {Check.OPEN_SECURITY_GROUP}),
    ("an interface", account(interfaces={"eni-1": DENIED}), {Check.PUBLIC_IP, Check.OPEN_SECURITY_GROUP}),
    ("a target group", account(target_groups={TARGETS: DENIED}, load_balancers={}), OF_LISTENERS),
    ("a load balancer", account(load_balancers={BALANCER: DENIED}), OF_LISTENERS),
    ("listeners", account(load_balancers={BALANCER: replace(balancer(), listeners=DENIED)}), OF_LISTENERS),
    ("rules", account(load_balancers={BALANCER: balancer(replace(HTTP, rules=DENIED), HTTPS)}), {Check.HTTP_REDIRECT}),
    (
        "a TLS policy",
        account(load_balancers={BALANCER: balancer(HTTP, replace(HTTPS, tls_policy=DENIED))}),
        {Check.TLS_POLICY},
    ),
    ("volumes", account(volumes=DENIED), {Check.EBS_VOLUME}),
    ("the region's default", account(default_encryption=DENIED), {Check.EBS_DEFAULT}),
    ("a file system", account(file_systems={"fs-1": DENIED}), {Check.EFS_AT_REST}),
]


def test_a_sound_account_passes_every_check() -> None:
    """And each check says so, rather than nothing."""
    findings = list(judge(account()))
    assert {finding.result for finding in findings} == {Result.PASS}
    assert [BY_CODE[finding.code] for finding in findings if finding.mend] == []
    assert {finding.code for finding in findings} == set(Check)
    assert verdict(findings) is True


def test_findings_come_in_the_order_of_the_catalogue() -> None:
    """So that each promise is one group."""
    codes = list(dict.fromkeys(finding.code for finding in judge(account())))
    assert codes == list(Check)
    assert len({check.promise for check in Check}) == len(dict.fromkeys(check.promise for check in Check))


def test_every_check_has_a_rule_and_a_fault() -> None:
    """A row of the table that nobody judges would be an empty promise."""
    assert set(judging._RULES) | set(judging._BY_NAME) == set(FAULTS) == set(Check)
    assert not set(judging._RULES) & set(judging._BY_NAME)


@pytest.mark.parametrize("check", Check)
def test_a_fault_is_told_by_its_check_and_no_other(check: Check) -> None:
    """With a mend, and a subject."""
    told = {code: kinds - {Result.NOT_APPLICABLE} for code, kinds in results(FAULTS[check]).items()}
    assert {code: kinds for code, kinds in told.items() if kinds} == {check: {Result.FAIL}}
    failures = [finding for finding in judge(FAULTS[check]) if finding.result is Result.FAIL]
    assert all(finding.mend and finding.subject and finding.message for finding in failures)
    assert verdict(judge(FAULTS[check])) is False


@pytest.mark.parametrize(("what", "facts", "checks"), UNREADABLE, ids=[what for what, _, _ in UNREADABLE])
def test_what_cannot_be_read_cannot_be_told(what: str, facts: AccountFacts, checks: set[Check]) -> None:
    """By the checks that need it, each with the reason; the others pass."""
    told = {code: kinds - {Result.NOT_APPLICABLE} for code, kinds in results(facts).items()}
    assert {code for code, kinds in told.items() if kinds} == checks
    assert {kind for kinds in told.values() for kind in kinds} == {Result.CANNOT_TELL}
    findings = [finding for finding in judge(facts) if finding.result is Result.CANNOT_TELL]
    assert {finding.message for finding in findings} == {f"{DENIED.what} can't be read: {DENIED.reason}"}
    assert all("policy --for audit" in (finding.mend or "") for finding in findings)
    assert verdict(judge(facts)) is None


@pytest.mark.parametrize(("what", "facts", "checks"), UNREADABLE, ids=[what for what, _, _ in UNREADABLE])
def test_what_could_not_be_read_is_no_pass(what: str, facts: AccountFacts, checks: set[Check]) -> None:
    """A thing of which a check can't tell doesn't pass it as well."""
    passed, unknown = (
        {(finding.code, finding.subject) for finding in judge(facts) if finding.result is result}
        for result in (Result.PASS, Result.CANNOT_TELL)
    )
    assert {code for code, _ in unknown} == checks
    assert not passed & unknown


def test_a_missing_fact_is_no_pass() -> None:
    """What others refer to and nobody has looked at."""
    empty = account(
        secrets={}, access=(), subnets={}, groups={}, interfaces={}, file_systems={}, images={},
        tasks={SERVICE: (task(task_definition="arn:aws:ecs:eu-west-1:123456789012:task-definition/gateway:11"),)},
    )  # fmt: skip
    told = results(empty)
    expected = {
        Check.SECRET_EXISTS, Check.SECRET_KEY, Check.SECRET_STAGE, Check.SECRET_READABLE, Check.IMAGE_ENV,
        Check.STALE_TASKS, Check.PUBLIC_IP, Check.PUBLIC_SUBNET, Check.OPEN_SECURITY_GROUP, Check.EFS_AT_REST,
    }  # fmt: skip
    assert {code for code, kinds in told.items() if kinds == {Result.CANNOT_TELL}} == expected
    unseen = replace(empty, volumes=AccountFacts("r", (), ()).volumes)
    assert results(unseen)[Check.EBS_VOLUME] == {Result.CANNOT_TELL}


def test_where_there_is_nothing_to_judge_it_is_said() -> None:
    """Each check is named once, and none of them passes."""
    bare = AccountFacts("eu-west-1", (), (), volumes=(), default_encryption=True)
    findings = [finding for finding in judge(bare) if finding.code != Check.EBS_DEFAULT]
    assert {finding.result for finding in findings} == {Result.NOT_APPLICABLE}
    assert [finding.code for finding in findings] == [check for check in Check if check is not Check.EBS_DEFAULT]


def test_what_many_refer_to_is_told_once() -> None:
    """A subnet of fifty services is one finding."""
    many = account(services=tuple(service(name=f"s{number}") for number in range(50)))
    assert len(found(many, Check.PUBLIC_SUBNET)) == 1
    assert len(found(many, Check.STALE_TASKS)) == 50


def test_no_value_is_in_any_finding() -> None:
    """Not even where it stands in the place of a name."""
    token = "ghp_" + "a1B2" * 9
    odd = container(
        environment=named(DB_PASSWORD="hunter2", **{token: "x", "REDIS_URL": "redis://u:hunter2@h"}),
        command=(Secret("--password"), Secret("hunter2")),
        labels=named(token="hunter2"),
        log_options=named(**{"splunk-token": "hunter2"}),
        secrets=((token, f"{ARN}:{token}:{token}:"),),
    )
    text = repr(list(judge(account(definitions={REVISION: definition(odd)}), names={token})))
    assert "hunter2" not in text
    assert token not in text
    assert VALUES["SUPABASE_JWT_SECRET"] not in text


def test_a_public_address_of_a_running_task_counts() -> None:
    """Though the service asks for none any more."""
    facts = account(interfaces={"eni-1": Interface("eni-1", public_ip=True, groups=("sg-1",))})
    assert results(facts) == {Check.PUBLIC_IP: {Result.FAIL}}
