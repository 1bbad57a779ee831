"""`tickctl audit`: whether what runs in AWS keeps the promises of the security page; it only looks."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tickctl import __version__
from tickctl.cli.console.exit_codes import ExitCode
from tickctl.cli.console.options import EnvName, Region
from tickctl.cli.console.run import Run, command
from tickctl.errors import ConfigurationError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from tickctl.core.audit.facts import AccountFacts
    from tickctl.core.audit.port import Progress, Scope
    from tickctl.core.findings import Finding
    from tickctl.core.secrets.target import Target

_STDOUT: Final = "-"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "audit",
        env_files="An env file whose names are those of secrets, instead of services/.env and services/keys.env; "
        "repeatable.",
        examples="tickctl audit --env-name production\n"
        "tickctl audit --region eu-west-1 --cluster main --service gateway\n"
        "tickctl audit --env-name production --json | jq '.findings[] | select(.result == \"fail\")'\n"
        "tickctl audit --env-name production --sarif - > audit.sarif\n"
        "tickctl secrets policy --for audit --env-name production > policy.json",
    )(audit)


def audit(
    run: Run,
    env_name: EnvName = None,
    region: Region = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", help="ECS cluster to look at, unless all.", rich_help_panel="Where", show_default=False
        ),
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            "--service",
            help="ECS service to look at, unless all of the cluster; repeatable.",
            rich_help_panel="Where",
            show_default=False,
        ),
    ] = None,
    sarif: Annotated[
        str | None,
        typer.Option(
            "--sarif",
            metavar="FILE|-",
            help="Write the findings as SARIF 2.1.0 too, for code-scanning views; - answers with nothing else.",
            show_default=False,
        ),
    ] = None,
) -> ExitCode:
    """Look whether services in AWS are safe, and change nothing.

    Secrets only by reference, fresh tasks, isolation in the VPC, TLS between services, encrypted volumes, and
    development switches off. Every finding names the resource and what to do, and no value is shown. What can't be read
    is told as such: it is never a pass. The rights that it takes: 'tickctl secrets policy --for audit'.

    Exit code 0: nothing fails. Exit code 1: something does. Exit code 5: nothing that could be seen, but something
    could not be told.
    """
    from tickctl.cli.open.aws import check_account, open_target
    from tickctl.cli.open.target import refuse_secrets, target
    from tickctl.core.audit.judge import judge

    refuse_secrets(run, {"--sarif": [sarif]})
    _check(run, sarif)
    chosen = target(run, env_name=env_name, region=region, cluster=cluster, services=service)
    # A cluster of one's own has other services than that of the profile.
    services = chosen.services if service or not cluster else ()
    scope = _scope(chosen, services)
    names = _names(run, chosen)
    aws = open_target(run, chosen)
    account = aws.account()
    check_account(aws, chosen, None)
    run.output.notice(f"looking at {_what(scope)} in AWS account {account}, {aws.region}")
    with _progress(run) as progress:
        facts = aws.posture.read(scope, progress=progress)
    _refuse_nothing(facts, scope)
    findings = list(judge(facts, names=names))
    return _answer(run, findings, facts, scope, account=account, sarif=sarif)


def _answer(
    run: Run, findings: "Sequence[Finding]", facts: "AccountFacts", scope: "Scope", *, account: str, sarif: str | None
) -> ExitCode:
    from tickctl.cli.console.findings import present
    from tickctl.core.audit.catalogue import BY_CODE
    from tickctl.core.audit.sarif import sarif as in_sarif
    from tickctl.core.findings import verdict

    if sarif is not None:
        document = in_sarif(findings, place=f"aws/{account}/{facts.region}", version=__version__)
        if sarif == _STDOUT:
            run.output.document(document)
            return {True: ExitCode.YES, False: ExitCode.NO, None: ExitCode.CANNOT_TELL}[verdict(findings)]
        _write(Path(sarif), json.dumps(document, indent=2) + "\n")
        run.output.notice(f"wrote {sarif}")
    return present(
        run,
        findings,
        heading=lambda finding: BY_CODE[finding.code].promise.heading,
        about={
            "account": account,
            "region": facts.region,
            "cluster": scope.cluster,
            "services": [service.name for service in facts.services],
        },
        rank=lambda finding: BY_CODE[finding.code].severity.value,
        extra=lambda finding: {
            "promise": BY_CODE[finding.code].promise.value,
            "severity": BY_CODE[finding.code].severity.value,
        },
    )


def _check(run: Run, sarif: str | None) -> None:
    """Refuse, before anybody has waited, what can't be answered.

    Raises:
        InvalidInputError: two documents are asked for on stdout, or a file is in the way.
    """
    if sarif == _STDOUT and run.json:
        raise InvalidInputError("--json and --sarif - both want standard output", hint="name a file with --sarif")
    if sarif not in {None, _STDOUT} and Path(str(sarif)).exists():
        raise InvalidInputError(f"{sarif} exists already", hint="name another file, or use --sarif - > FILE")


def _scope(target: "Target", services: Sequence[str]) -> "Scope":
    from tickctl.core.audit.port import Scope

    if services and not target.cluster:
        raise ConfigurationError(
            "services are named, but not their cluster", hint="add --cluster, or 'cluster' to the profile"
        )
    return Scope(target.cluster, tuple(services), (target.secret_id,) if target.secret_id else ())


def _what(scope: "Scope") -> str:
    if scope.cluster is None:
        return "all services"
    if not scope.services:
        return f"all services of cluster {scope.cluster}"
    number = "service" if len(scope.services) == 1 else "services"
    return f"{number} {', '.join(scope.services)} of cluster {scope.cluster}"


def _names(run: Run, target: "Target") -> frozenset[str]:
    """Return what the env files assign, if there are any: names of secrets, whatever they look like.

    Raises:
        ConfigurationError: a file can't be read.
    """
    from tickctl.cli.open.env_files import DEFAULT_FILES, load_files, read_entries

    if not (run.env_files or target.env_files or any(Path(name).exists() for name in DEFAULT_FILES)):
        return frozenset()
    return frozenset(entry.name for entry in read_entries(run, load_files(run, target)) if entry.name)


@contextmanager
def _progress(run: Run) -> "Iterator[Progress]":
    """Count on stderr what has been read."""
    read: dict[str, int] = {}
    with run.output.progress("reading") as advance:

        def told(what: str, done: int, _total: int) -> None:
            advance(done - read.get(what, 0))
            read[what] = done

        yield told


def _refuse_nothing(facts: "AccountFacts", scope: "Scope") -> None:
    """Refuse to call it safe where there is nothing to look at.

    Raises:
        NotFoundError: there is no service.
    """
    if not facts.services and not facts.unlisted:
        within = f"cluster {scope.cluster}" if scope.cluster else f"region {facts.region}"
        raise NotFoundError(f"there are no services in {within}", hint="check --cluster, --region and the credentials")


def _write(path: Path, text: str) -> None:
    from tickctl.cli.console.files import private_file

    with private_file(path, exclusive=True) as stream:
        stream.write(text)
