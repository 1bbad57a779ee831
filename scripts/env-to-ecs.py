#!/usr/bin/env python3
"""Turns env files into a Secrets Manager payload and the `secrets` block of an ECS container; asks AWS nothing.

For those who bring the payload to AWS with tools of their own. `tickctl secrets push` does all of it in one step.
"""

import argparse
import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from tickctl.adapters.env_files import load_env_files, project_variables
from tickctl.adapters.examples import expectations
from tickctl.cli.console.boundary import open_closed_streams, report, require_stdout
from tickctl.cli.console.files import private_file
from tickctl.cli.open.env_files import DEFAULT_FILES
from tickctl.core.ecs.references import block
from tickctl.core.secret import Secret
from tickctl.core.secrets.arn import full_arn, name_of
from tickctl.core.secrets.checks import unsafe
from tickctl.core.secrets.env_files import Entry, read, values
from tickctl.core.secrets.payload import encode
from tickctl.core.secrets.plan import plan_push
from tickctl.core.secrets.store import Phase, SecretState
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError, InvalidInputError

STDOUT = "-"


def main() -> None:
    """Read env files, and write what was asked for."""
    options = parse()
    if options.payload == STDOUT == options.block:
        raise InvalidInputError("payload and block can't both go to stdout", hint="write one of them into a file")
    if options.payload == STDOUT:
        require_pipe()
    arn = full_arn(options.secret_arn)
    files = load_env_files(options.env_file)
    allowed = {name: Secret(os.environ[name]) for name in options.allow_shell if name in os.environ}
    entries = read(files, shell=os.environ.keys() | project_variables(files), allowed=allowed)
    wanted = values(entries)
    if options.payload:
        refuse_unsafe(options.env_file, entries, force=options.force_insecure)
    plan_push(SecretState(name_of(arn), Phase.ABSENT), {}, wanted, prune=False)  # refuses what AWS would refuse
    references = json.dumps(block(arn, wanted), indent=2) + "\n"
    if options.payload == STDOUT:
        sys.stdout.write(encode(wanted).reveal())
    elif options.payload:
        with private_file(Path(options.payload), exclusive=True) as stream:
            stream.write(encode(wanted).reveal())
        sys.stderr.write(f"wrote {len(wanted)} keys to {options.payload}, readable by you alone; remove it soon\n")
    if options.block == STDOUT:
        sys.stdout.write(references)
    elif options.block:
        Path(options.block).write_text(references, encoding="utf-8")


def parse() -> argparse.Namespace:
    """Return the options; the block goes to stdout unless the payload does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--env-file",
        type=Path,
        action="append",
        metavar="FILE",
        help="repeatable, later ones override earlier ones; default: services/.env and services/keys.env if they exist",
    )
    parser.add_argument("--secret-arn", required=True, metavar="ARN", help="the secret's full ARN")
    parser.add_argument("--payload", metavar="FILE", help="a new file of mode 0600, or - for a pipe; holds the values")
    parser.add_argument("--block", metavar="FILE", help="a file, or - for stdout (the default); holds names only")
    parser.add_argument(
        "--allow-shell", action="append", default=[], metavar="NAME", help="a variable to take from the shell"
    )
    parser.add_argument("--force-insecure", action="store_true", help="take what 'tickctl secrets push' refuses")
    options = parser.parse_args()
    if not options.env_file:
        there = [Path(name) for name in DEFAULT_FILES if Path(name).exists()]
        options.env_file = there or [Path(name) for name in DEFAULT_FILES]
    if options.block is None and options.payload != STDOUT:
        options.block = STDOUT
    return options


def refuse_unsafe(paths: Sequence[Path], entries: Sequence[Entry], *, force: bool) -> None:
    """Name what `tickctl secrets push` would refuse, and refuse it as well unless it is forced."""
    findings = unsafe(entries, expectations(Target(), paths))
    for finding in findings:
        sys.stderr.write(f"warning: {finding.message}" + (f" ({finding.mend})\n" if finding.mend else "\n"))
    if findings and not force:
        raise ConfigurationError(
            "no payload was written: the files are not fit for production",
            hint="mend what is named above, or add --force-insecure if it is meant",
        )


def require_pipe() -> None:
    """Refuse to write values where they would stay: on a screen, or in a file that others may read."""
    mode = os.fstat(sys.stdout.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        raise InvalidInputError(
            "the payload holds secrets, and stdout is no pipe", hint="name a new file with --payload FILE"
        )


if __name__ == "__main__":
    open_closed_streams()
    try:
        require_stdout()
        main()
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - as in the command: one line, one hint, an exit code
        sys.exit(report(error, as_json=False))
