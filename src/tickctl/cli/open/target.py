"""What a run is about: the profile's words, and those of options and environment over them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tickctl.cli.console.run import Run
from tickctl.core.secret import Secret
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from tickctl.core.secrets.profile import Profiles


def target(
    run: Run,
    *,
    env_name: str | None,
    secret_id: str | None = None,
    region: str | None = None,
    cluster: str | None = None,
    services: Iterable[str] | None = None,
    task_definitions: Iterable[str] | None = None,
    containers: Iterable[str] | None = None,
) -> Target:
    """Return what profile, environment and options say together.

    An option decides. Without it, TICKCTL_SECRET_ID and AWS_REGION must agree with the profile, and stand in for what
    it doesn't say.

    Raises:
        ConfigurationError: there is no such profile, or it can't be used, or the environment contradicts it.
        InvalidInputError: a secret stands where a name belongs.
    """
    from tickctl.core.secrets.arn import region_of, same_secret

    refuse_secrets(
        run,
        {
            "--env-name": [env_name],
            "--secret-id": [secret_id],
            "--region": [region],
            "--cluster": [cluster],
            "--service": services,
            "--task-definition": task_definitions,
            "--container": containers,
        },
    )
    chosen = profile(run, env_name)
    environment = _environment(run)
    if not secret_id:
        secret_id = chosen.secret_id
        if configured := environment.get("TICKCTL_SECRET_ID"):
            if secret_id and not same_secret(configured, secret_id):
                raise _contradiction(run, chosen, "TICKCTL_SECRET_ID", "another secret", "--secret-id")
            secret_id = secret_id or configured
    if not region:
        region = chosen.region
        variable = next((name for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if name in environment), None)
        if variable:
            if region and environment[variable] != region:
                raise _contradiction(run, chosen, variable, "another region", "--region")
            region = region or environment[variable]
    own = region_of(secret_id or "")
    if own and region and own != region:
        raise ConfigurationError(
            f"the secret's ARN is of {own}, and the region is {region}", hint="leave the region out, or correct one"
        )
    return replace(
        chosen,
        secret_id=secret_id,
        region=region or own or None,
        cluster=cluster or chosen.cluster,
        services=tuple(services or chosen.services),
        task_definitions=tuple(task_definitions or chosen.task_definitions),
        containers=tuple(containers or chosen.containers),
    )


def refuse_secrets(run: Run, names: Mapping[str, Iterable[str | None] | None]) -> None:
    """Refuse what somebody has pasted into the wrong place, before it is shown as the name of something.

    Args:
        run: its settings say which secrets there are.
        names: what was given, by option.

    Raises:
        InvalidInputError: one of them is a secret, or looks like one; it isn't repeated.
    """
    from tickctl.core.secrets.shapes import secret_shape

    for option, given in names.items():
        for value in filter(None, given or ()):
            shape = secret_shape(value) or ("one of your secrets" if Secret(value) in run.settings.secrets else None)
            if shape:
                raise InvalidInputError(
                    f"{option} is given {shape} instead of a name",
                    hint="it is in the history of your shell now; change it if it is in use",
                )


def profile(run: Run, env_name: str | None) -> Target:
    """Return what the profile says: the named one, else the default one, else nothing.

    Raises:
        ConfigurationError: there is no such profile, or it can't be used.
    """
    profiles = _profiles()
    if profiles is None:
        if env_name is None:
            return Target()
        raise ConfigurationError(
            f"there is no profile {env_name}: neither tickctl.toml nor [tool.tickctl] in pyproject.toml is here",
            hint="run it in the project's folder; 'tickctl secrets push --secret-id NAME' needs no profile",
        )
    if env_name is None:
        env_name = profiles.default
        if env_name is None:
            return Target()
        run.output.notice(f"using profile {env_name}, the default of {profiles.file}")
    from tickctl.adapters.profiles import complete

    return complete(profiles.named(env_name))


def secret_of(target: Target) -> str:
    """Return the name or ARN of the secret.

    Raises:
        ConfigurationError: nothing says which; the hint names the three ways to say it.
    """
    if target.secret_id:
        return target.secret_id
    missing = f"profile {target.env_name} names no secret" if target.env_name else "nothing says which secret"
    raise ConfigurationError(
        missing, hint="give --secret-id, set TICKCTL_SECRET_ID, or name a profile that has one with --env-name"
    )


def _profiles() -> "Profiles | None":
    from tickctl.adapters.profiles import find_profiles

    return find_profiles(Path.cwd())


def _environment(run: Run) -> dict[str, str]:
    """Return what the process environment and the env files say about the target."""
    variables = {name: value.reveal() for name, value in run.settings.aws.items() if "REGION" in name}
    variables |= {name: run.environ[name] for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if run.environ.get(name)}
    if run.settings.secret_id:
        variables["TICKCTL_SECRET_ID"] = run.settings.secret_id
    refuse_secrets(run, {name: [value] for name, value in variables.items()})
    return variables


def _contradiction(run: Run, chosen: Target, variable: str, what: str, option: str) -> ConfigurationError:
    source = run.settings.sources.get(variable, "environment")
    source_text = "of the environment" if source == "environment" else f"in {source}"
    return ConfigurationError(
        f"{variable} {source_text} means {what} than profile {chosen.env_name}",
        hint=f"unset it or correct the profile; {option} decides where both are meant",
    )
