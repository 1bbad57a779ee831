"""`tickctl secrets status`: how far each key has come, from the files to running tasks; names only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.options import PUSHED_FILES, AllowShell, Cluster, EnvName, Region, SecretId, Services
from tickctl.cli.console.run import Run, command
from tickctl.errors import ConfigurationError, NotFoundError, TickctlError

if TYPE_CHECKING:
    from tickctl.cli.commands.secrets.current import Held
    from tickctl.core.ecs.key_states import Keys, KeyStatus, Observed
    from tickctl.core.ecs.model import Service, Task
    from tickctl.core.ecs.port import ContainerPlatform
    from tickctl.core.secret import Secret
    from tickctl.core.secrets.target import Target


def register(app: typer.Typer) -> None:
    """Add the command."""
    add = "tickctl secrets status"
    command(
        app,
        "status",
        env_files=PUSHED_FILES,
        examples=f"{add} --env-name production\n"
        f"{add} --secret-id gateway/production --cluster main --service gateway\n"
        f"{add} --env-name production --json | jq '.keys[] | select(.state != \"deployed\")'",
    )(status)


def status(
    run: Run,
    env_name: EnvName = None,
    secret_id: SecretId = None,
    region: Region = None,
    cluster: Cluster = None,
    service: Services = None,
    allow_shell: AllowShell = None,
) -> ExitCode:
    """Show how far each key has come.

    From the files over the secret and task definitions to running tasks. Tasks get values when they are made, so one
    that was made before the secret changed last may have other ones. Exit code 0: every key is where it belongs, which
    is in all running tasks if services are named. Exit code 1: some are not. Exit code 5: some can't be told. Without
    env files, the keys are those of the secret.
    """
    from tickctl.cli.commands.secrets import current
    from tickctl.cli.open.aws import open_target, where
    from tickctl.cli.open.target import target
    from tickctl.core.ecs.key_states import key_states
    from tickctl.core.secrets.plan import compare

    wanted_target = target(
        run, env_name=env_name, secret_id=secret_id, region=region, cluster=cluster, services=service
    )
    local = _wanted(run, wanted_target, allow_shell or ())
    aws = open_target(run, wanted_target)
    state = current.look(aws, wanted_target)
    location = where(aws, wanted_target, state.arn)
    run.output.notice(f"reading {location}")
    if local is None and state.arn is None:
        raise NotFoundError(
            f"there is no {location}, and there are no env files", hint="check name, region and account"
        )
    stored = current.held(aws, state, location)
    observed = _observe(run, aws.containers, wanted_target, state.arn) if wanted_target.services else None
    keys = key_states(
        in_files=None if local is None else local.keys(),
        in_aws=stored.values.keys(),
        differing=compare(local or {}, stored.values, prune=False).changed,
        services=observed,
        changed_at=state.changed_at,
    )
    code = _code(keys)
    _answer(run, wanted_target, stored, keys, observed, ok=_OK.get(code))
    return code


_OK: Mapping[ExitCode, bool] = {ExitCode.YES: True, ExitCode.NO: False}


def _wanted(run: Run, target: "Target", allow_shell: Sequence[str]) -> "Mapping[str, Secret] | None":
    """Return what the files say; None where there are none and none are named."""
    from tickctl.cli.open.env_files import DEFAULT_FILES, read_files
    from tickctl.core.secrets.env_files import values

    if run.env_files or target.env_files or any(Path(name).exists() for name in DEFAULT_FILES):
        return values(read_files(run, target, allow_shell=allow_shell))
    run.output.notice("there are no env files here: the keys are those of the secret")
    return None


def _observe(run: Run, platform: "ContainerPlatform", target: "Target", arn: str | None) -> "Sequence[Observed]":
    """Return the services as they run; what can't be read is told, and missing."""
    if not target.cluster:
        raise ConfigurationError(
            "services are named, but not their cluster", hint="add --cluster, or 'cluster' to the profile"
        )
    from tickctl.core.ecs.key_states import Observed

    services = platform.services(target.cluster, target.services)
    tasks = {one.name: _tasks(run, platform, target.cluster, one) for one in services}
    references: dict[str, Keys] = {}
    in_use = [one.task_definition for one in services]
    in_use += [task.task_definition for some in tasks.values() for task in some or ()]
    for revision in dict.fromkeys(in_use):
        keys = _references(run, platform, revision, arn)
        if keys is not None:
            references[revision] = keys
    return [
        # Without its tasks nothing can be told of a service, whatever is known of its definition.
        Observed(one, tasks[one.name] or (), references if tasks[one.name] is not None else {})
        for one in services
    ]


def _tasks(run: Run, platform: "ContainerPlatform", cluster: str, service: "Service") -> "Sequence[Task] | None":
    try:
        return list(platform.tasks(cluster, service.name))
    except TickctlError as error:
        run.output.warning(f"the tasks of service {service.name} can't be told: {error.message}")
        return None


def _references(run: Run, platform: "ContainerPlatform", revision: str, arn: str | None) -> "Keys | None":
    from tickctl.core.ecs.task_definition import refers_to

    try:
        document = platform.definition(revision).document
    except TickctlError as error:
        run.output.warning(f"what {revision.rpartition('/')[2]} refers to can't be told: {error.message}")
        return None
    return frozenset(key for keys in refers_to(document, arn or "").values() for key in keys)


def _code(keys: "Sequence[KeyStatus]") -> ExitCode:
    from tickctl.core.ecs.key_states import DONE, KeyState

    states = {one.state for one in keys}
    if states - DONE - {KeyState.UNKNOWN}:
        return ExitCode.NO
    return ExitCode.CANNOT_TELL if KeyState.UNKNOWN in states else ExitCode.YES


def _answer(
    run: Run,
    target: "Target",
    held: "Held",
    keys: "Sequence[KeyStatus]",
    observed: "Sequence[Observed] | None",
    *,
    ok: bool | None,
) -> None:
    changed_at = held.state.changed_at
    if run.json:
        run.output.document(
            {
                "secret_id": target.secret_id,
                "arn": held.state.arn,
                "version_id": held.version_id,
                "changed_at": changed_at,
                "ok": ok,
                "keys": [
                    {
                        "key": one.key,
                        "in_files": one.in_files,
                        "in_aws": one.in_aws,
                        "same": one.same,
                        "referenced_by": one.referenced_by,
                        "state": one.state,
                    }
                    for one in keys
                ],
                "services": None if observed is None else [_service_json(one, held) for one in observed],
            }
        )
        return
    columns = ("key", "in_files", "in_aws", "same", "referenced_by", "state")
    rows = [
        (
            one.key,
            one.in_files,
            one.in_aws,
            one.same,
            None if one.referenced_by is None else ", ".join(one.referenced_by),
            one.state.replace("_", " ") if run.output.style.terminal else one.state,
        )
        for one in keys
    ]
    run.output.table(columns, rows, empty="neither the files nor the secret have keys")
    for service in observed or ():
        run.output.notice(_service_line(service, held))
    _sum_up(run, keys)


def _service_json(observed: "Observed", held: "Held") -> dict[str, object]:
    primary = observed.service.primary
    known = observed.refers_to is not None
    return {
        "service": observed.service.name,
        "cluster": observed.service.cluster,
        "task_definition": observed.service.task_definition,
        "deployment": primary.id if primary else None,
        "rollout_state": primary.rollout_state if primary else None,
        "tasks": len(observed.tasks) if known else None,
        "older_tasks": observed.older(held.state.changed_at) if known else None,
    }


def _service_line(observed: "Observed", held: "Held") -> str:
    service = observed.service
    name = f"service {service.name} runs {service.task_definition.rpartition('/')[2]}"
    if observed.refers_to is None:
        return f"{name}; how its tasks are can't be told"
    older = observed.older(held.state.changed_at)
    age = "how old they are can't be told" if older is None else f"{older} from before the secret changed last"
    tasks = "1 task" if len(observed.tasks) == 1 else f"{len(observed.tasks)} tasks"
    return f"{name} in {tasks}, {age}"


def _sum_up(run: Run, keys: "Sequence[KeyStatus]") -> None:
    from tickctl.core.ecs.key_states import DONE, KeyState

    unknown = sum(one.state is KeyState.UNKNOWN for one in keys)
    open_keys = [one for one in keys if one.state not in {*DONE, KeyState.UNKNOWN}]
    if open_keys:
        waiting = all(one.state in {KeyState.STAGED, KeyState.PARTIAL} for one in open_keys)
        mend = "a deployment that is under way finishes it, or 'tickctl secrets push' does" if waiting else ""
        run.output.notice(
            f"{len(open_keys)} of {_keys(len(keys))} {'is' if len(open_keys) == 1 else 'are'} not in place; "
            + (mend or "'tickctl secrets push' mends that")
        )
    if unknown:
        run.output.notice(f"how it is with {unknown} of {_keys(len(keys))} can't be told")
    if keys and not (open_keys or unknown):
        run.output.notice(f"{_keys(len(keys))}: all in place")


def _keys(number: int) -> str:
    return "1 key" if number == 1 else f"{number} keys"
