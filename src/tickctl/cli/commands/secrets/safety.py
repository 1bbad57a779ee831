"""Stops a push of what has no place in production."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickctl.cli.console.run import Run
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError

if TYPE_CHECKING:
    from tickctl.core.secrets.env_files import Entry


def refuse_unsafe(run: Run, target: Target, paths: Sequence[Path], entries: "Sequence[Entry]", *, force: bool) -> None:
    """Name everything that speaks against a push, and refuse it unless it is forced.

    Raises:
        ConfigurationError: something does.
    """
    from tickctl.adapters.examples import expectations
    from tickctl.core.secrets.checks import unsafe

    findings = unsafe(entries, expectations(target, paths))
    for finding in findings:
        location = f"{finding.file}:{finding.line}: " if finding.file and finding.line else ""
        mend = f" ({finding.mend})" if finding.mend else ""
        run.output.warning(f"{location}{finding.message}{mend}")
    if findings and not force:
        raise ConfigurationError(
            "nothing was pushed: the files are not fit for production",
            hint="mend what is named above, or add --force-insecure if it is meant",
        )
