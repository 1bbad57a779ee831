"""`tickctl secrets policy`: the least IAM policy for those who deal with the secret."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tickctl.cli.console.options import Cluster, EnvName, Region, SecretId, Services, TaskDefinitions
from tickctl.cli.console.run import Run, command
from tickctl.core.secrets.iam import Holder
from tickctl.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws
    from tickctl.core.json import JsonObject
    from tickctl.core.secrets.iam_resources import Deployment, SecretPlace
    from tickctl.core.secrets.target import Target


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl secrets policy"
    command(
        app,
        "policy",
        examples=f"{add} --secret-id gateway/production > policy.json\n"
        f"{add} --for pusher --env-name production --create\n"
        f"{add} --for pusher --secret-id gateway/production --task-definition task-definition.json\n"
        f"{add} --for audit --secret-id gateway/production --cluster production",
    )(policy)


def policy(
    run: Run,
    holder: Annotated[Holder, typer.Option("--for", help="Whose policy it is.")] = Holder.EXECUTION_ROLE,
    env_name: EnvName = None,
    secret_id: SecretId = None,
    secret_arn: Annotated[
        str | None,
        typer.Option("--secret-arn", help="The secret's full ARN; then AWS isn't asked for it.", show_default=False),
    ] = None,
    region: Region = None,
    cluster: Cluster = None,
    service: Services = None,
    task_definition: TaskDefinitions = None,
    kms_key: Annotated[
        str | None,
        typer.Option("--kms-key", help="ARN of the secret's KMS key, unless AWS is to be asked.", show_default=False),
    ] = None,
    role_arn: Annotated[
        list[str] | None,
        typer.Option(
            "--role-arn",
            help="Role that the pusher may hand to tasks, unless AWS or the files are to be asked, or that the "
            "auditor may look at; repeatable.",
            show_default=False,
        ),
    ] = None,
    create: Annotated[
        bool,
        typer.Option("--create", help="The secret may still have to be made; a pusher may then make it, and tag it."),
    ] = False,
) -> None:
    """Print the least IAM policy that suffices.

    It is JSON without any value, and nothing is changed. An execution role fetches the secret when a task starts. A
    puller runs list, diff, status, pull and exec. A pusher runs push and rollback as well. An auditor runs
    'tickctl audit', on the named services or on all. AWS is asked for what neither options nor files say: not with
    --secret-arn, and --task-definition and --role-arn for what is deployed.
    """
    from tickctl.cli.open.target import refuse_secrets, target
    from tickctl.core.secrets import iam

    refuse_secrets(run, {"--kms-key": [kms_key], "--role-arn": role_arn or (), "--secret-arn": [secret_arn]})
    chosen = target(
        run,
        env_name=env_name,
        secret_id=_named(secret_id, secret_arn),
        region=region,
        cluster=cluster,
        services=service,
        task_definitions=task_definition,
    )
    access = _Access(run, chosen)
    secret, key = _secret(run, access, chosen, kms_key, create=create)
    deployment = _deployment(access, chosen, secret, holder, tuple(role_arn or ()))
    document = iam.policy(holder, secret, kms_key=key, deployment=deployment, create=create, tag=bool(chosen.tags))
    if holder is Holder.PUSHER and deployment.families and not deployment.roles:
        run.output.warning("the task definitions name no roles; a pusher needs --role-arn for those they will name")
    if run.json:
        run.output.document(document)
    else:
        run.output.text(json.dumps(document, indent=2))


def _named(secret_id: str | None, secret_arn: str | None) -> str | None:
    """Return how options name the secret; an ARN may be given as either.

    Raises:
        InvalidInputError: both are given.
        ConfigurationError: the ARN is no full one.
    """
    from tickctl.core.secrets.arn import full_arn

    if secret_arn is None:
        return secret_id
    if secret_id is not None:
        raise InvalidInputError("the secret is named twice", hint="give --secret-id or --secret-arn")
    return full_arn(secret_arn)


class _Access:
    """AWS, opened when it is first needed."""

    def __init__(self, run: Run, where: "Target") -> None:
        self._run = run
        self._where = where
        self._aws: Aws | None = None

    @property
    def aws(self) -> "Aws":
        """AWS for this target."""
        from tickctl.cli.open.aws import open_target

        if self._aws is None:
            self._aws = open_target(self._run, self._where)
        return self._aws


def _secret(
    run: Run, access: _Access, where: "Target", kms_key: str | None, *, create: bool
) -> "tuple[SecretPlace, str | None]":
    """Return where the secret is, and the key of its own that encrypts it."""
    from tickctl.cli.open.aws import check_account
    from tickctl.cli.open.target import secret_of
    from tickctl.core.secrets.iam_resources import SecretPlace
    from tickctl.core.secrets.store import Phase

    named = secret_of(where)
    if named.startswith("arn:"):
        if where.account is not None:
            check_account(access.aws, where, named)
        key = kms_key or where.kms_key
        if key is None:
            run.output.notice("AWS wasn't asked for the secret's KMS key: if it has one of its own, give --kms-key")
        return SecretPlace.of(named), key
    state = access.aws.secrets.describe(named)
    check_account(access.aws, where, state.arn)
    if state.arn is not None and state.phase is not Phase.ABSENT:
        return SecretPlace.of(state.arn), kms_key or state.kms_key
    if not create:
        raise NotFoundError(
            f"there is no secret {named}",
            hint="check name, region and account; --create is for one that is still to be made",
        )
    run.output.notice(f"there is no secret {named} yet: the policy is about the one that will have this name")
    return SecretPlace.to_be_made(
        named, region=access.aws.region, account=access.aws.account()
    ), kms_key or where.kms_key


def _deployment(
    access: _Access, where: "Target", place: "SecretPlace", holder: Holder, roles: tuple[str, ...]
) -> "Deployment":
    """Return what runs with the secret. AWS is asked for what neither options nor files say."""
    from tickctl.core.secrets.iam_resources import Deployment

    region = where.region or place.region
    services = tuple(name.rpartition("/")[2] for name in where.services)
    cluster = where.cluster.rpartition("/")[2] if where.cluster else None
    if holder is not Holder.PUSHER:
        return Deployment(region, cluster, services, roles=roles if holder is Holder.AUDIT else ())
    documents = list(_documents(access, where, known=bool(roles)))
    named = {str(one[name]) for one in documents for name in ("executionRoleArn", "taskRoleArn") if one.get(name)}
    families = {str(one["family"]) for one in documents}
    return Deployment(region, cluster, services, tuple(sorted(families)), tuple(sorted({*roles, *named})))


def _documents(access: _Access, where: "Target", *, known: bool) -> "Iterator[JsonObject]":
    """Yield what is registered, or to be: the files, the families, and what the services run."""
    from tickctl.cli.commands.secrets.rollout import read_definition

    for name in where.task_definitions:
        if name.endswith(".json"):
            yield read_definition(Path(name)).document
        elif known:
            yield {"family": name.rpartition("/")[2].partition(":")[0]}
        else:
            yield access.aws.containers.definition(name).document
    if where.services and where.cluster and not (known and where.task_definitions):
        for service in access.aws.containers.services(where.cluster, where.services):
            yield access.aws.containers.definition(service.task_definition).document
