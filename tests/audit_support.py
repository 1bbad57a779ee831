"""What tests of the audit's rules share: an account in which everything passes, and its parts made up in a line."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import (
    Access,
    AccountFacts,
    Action,
    FileSystem,
    Image,
    Ingress,
    Interface,
    Listener,
    LoadBalancer,
    SecretFacts,
    SecretVersionFacts,
    SecurityGroup,
    Subnet,
    TlsPolicy,
    Unread,
    Volume,
)
from tickctl.core.audit.judge import judge
from tickctl.core.ecs.model import (
    Container,
    EfsMount,
    ManagedVolume,
    Named,
    Network,
    Service,
    Task,
    TaskDefinition,
)
from tickctl.core.findings import Finding, Result
from tickctl.core.secret import Secret
from tickctl.core.secrets.store import Phase, SecretState

NOON: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
ARN: Final = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/production-AbCdEf"
ROLE: Final = "arn:aws:iam::123456789012:role/gateway-execution"
SERVICE: Final = "arn:aws:ecs:eu-west-1:123456789012:service/main/gateway"
REVISION: Final = "arn:aws:ecs:eu-west-1:123456789012:task-definition/gateway:12"
IMAGE: Final = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/gateway:1.0.0"
BALANCER: Final = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/front/50dc6c495c0c9188"
TARGETS: Final = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/gateway/73e2d6bc24d8a067"
VERSION: Final = "11111111-2222-4333-8444-555555555555"
DENIED: Final = Unread("what was asked for", "AWS doesn't allow it")
REDIRECT: Final = Action("redirect", "HTTPS")
HTTP: Final = Listener("arn:http", "HTTP", 80, None, (REDIRECT,), (REDIRECT,))
HTTPS: Final = Listener("arn:https", "HTTPS", 443, TlsPolicy("modern", ("TLSv1.2", "TLSv1.3")), (Action("forward"),))
VALUES: Final = {"REDIS_URL": "rediss://cache.internal:6379", "SUPABASE_JWT_SECRET": "a real one, which nobody knows"}

Change = Callable[[AccountFacts], AccountFacts]


def named(**values: str) -> tuple[Named, ...]:
    """Return variables."""
    return tuple(Named(name, Secret(value)) for name, value in values.items())


def container(**more: Any) -> Container:
    """Return the gateway's container."""
    secrets = tuple((name, f"{ARN}:{name}::") for name in VALUES)
    made = Container("gateway", IMAGE, environment=named(LOG_LEVEL="info"), secrets=secrets)
    return replace(made, **more)


def definition(*containers: Container, **more: Any) -> TaskDefinition:
    """Return a revision."""
    mounts = (EfsMount("shared", "fs-1", transit_encryption=True),)
    made = TaskDefinition(
        REVISION,
        "gateway",
        12,
        containers=containers or (container(),),
        network_mode="awsvpc",
        execution_role=ROLE,
        efs=mounts,
    )
    return replace(made, **more)


def state(**more: Any) -> SecretState:
    """Return the state of a secret that changed at noon."""
    made = SecretState("gateway/production", Phase.LIVE, ARN, NOON, stages={VERSION: ("AWSCURRENT",)})
    return replace(made, **more)


def secret(values: dict[str, str] | None = None, **more: Any) -> SecretFacts:
    """Return a secret with its current version."""
    held = {name: Secret(value) for name, value in (VALUES if values is None else values).items()}
    return replace(SecretFacts(state(), {VERSION: SecretVersionFacts(VERSION, held)}), **more)


def task(**more: Any) -> Task:
    """Return a task that was made an hour after noon."""
    made = Task("t1", REVISION, NOON + timedelta(hours=1), "RUNNING", interfaces=("eni-1",), subnets=("subnet-1",))
    return replace(made, **more)


def service(**more: Any) -> Service:
    """Return a service on Fargate."""
    made = Service(
        name="gateway",
        arn=SERVICE,
        cluster="arn:aws:ecs:eu-west-1:123456789012:cluster/main",
        status="ACTIVE",
        task_definition=REVISION,
        networks=(Network(("subnet-1",), ("sg-1",), public_ip=False),),
        target_groups=(TARGETS,),
        volumes=(ManagedVolume("scratch", encrypted=True),),
    )
    return replace(made, **more)


def group(*ingress: Ingress) -> SecurityGroup:
    """Return the security group of the tasks."""
    return SecurityGroup("sg-1", "gateway", ingress or (Ingress("tcp", (8000, 8000), groups=("sg-2",)),))


def balancer(*listeners: Listener, **more: Any) -> LoadBalancer:
    """Return the load balancer with these listeners."""
    made = LoadBalancer(BALANCER, "front", "application", listeners)
    return replace(made, **more)


def account(**more: Any) -> AccountFacts:
    """Return an account in which every check passes, but for what is said."""
    made = AccountFacts(
        region="eu-west-1",
        services=(service(),),
        unlisted=(),
        tasks={SERVICE: (task(),)},
        definitions={REVISION: definition()},
        secrets={ARN: secret()},
        access=(Access(ROLE, ARN, allowed=True),),
        subnets={"subnet-1": Subnet("subnet-1", ())},
        groups={"sg-1": group()},
        interfaces={"eni-1": Interface("eni-1", public_ip=False, groups=("sg-1",))},
        target_groups={TARGETS: (BALANCER,)},
        load_balancers={BALANCER: balancer(HTTP, HTTPS)},
        volumes=(Volume("vol-1", encrypted=True),),
        default_encryption=True,
        file_systems={"fs-1": FileSystem("fs-1", encrypted=True)},
        images={IMAGE: Image(named(PATH="/usr/bin", LANG="C.UTF-8"), (Secret("uvicorn"),), ())},
    )
    return replace(made, **more)


def with_tasks(*tasks: Task, **more: Any) -> AccountFacts:
    """Return the account with other tasks of its service."""
    return account(tasks={SERVICE: tasks}, **more)


def with_container(**more: Any) -> AccountFacts:
    """Return the account with another container."""
    return account(definitions={REVISION: definition(container(**more))})


def with_values(**more: str) -> AccountFacts:
    """Return the account with more in its secret."""
    return account(secrets={ARN: secret(VALUES | more)})


def found(facts: AccountFacts, check: Check, *, names: Iterable[str] = ()) -> list[Finding]:
    """Return what one check says."""
    return [finding for finding in judge(facts, names=names) if finding.code == check]


def results(facts: AccountFacts, *, names: Iterable[str] = ()) -> dict[str, set[Result]]:
    """Return the checks that say anything but that they pass, and what."""
    told: dict[str, set[Result]] = {}
    for finding in judge(facts, names=names):
        if finding.result is not Result.PASS:
            told.setdefault(finding.code, set()).add(finding.result)
    return told


def only(facts: AccountFacts, check: Check) -> set[Result]:
    """Return the results of one check."""
    return {finding.result for finding in found(facts, check)}


def referring(value_from: str, name: str = "REDIS_URL", **more: Any) -> AccountFacts:
    """Return the account with one reference, and with what else is said."""
    return replace(with_container(secrets=((name, value_from),)), **more)
