"""Opens what `tickctl explain` looks at; nothing is started, renewed or written for that."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tickctl.cli.backend import choose, operator_name
from tickctl.cli.explain.embedded import embedded_reading, embedded_sources
from tickctl.cli.explain.project import administration, project_sources
from tickctl.cli.explain.sources import Reader, Sources, reads_largest_cost
from tickctl.cli.identity import choose_identity
from tickctl.cli.run import BackendName, Run
from tickctl.cli.verifier import Network

if TYPE_CHECKING:
    from tickctl.core.quota import Caller


@contextmanager
def open_sources(run: Run, network: Network) -> Iterator[Sources]:
    """Open what a gateway of these settings would use.

    Raises:
        ConfigurationError: no gateway could begin with these settings.
    """
    _warn(run)
    backend = choose(run.settings, run.backend)
    with ExitStack() as stack:
        if backend is BackendName.LOCAL:
            yield embedded_sources(run, network, stack)
        else:
            yield project_sources(run, backend, network, stack)


@contextmanager
def open_reader(run: Run) -> Iterator[Reader]:
    """Open the administration for a look at a user.

    Raises:
        InvalidInputError: this identity is not to be had at this place.
        ConfigurationError: nothing says as whom.
        CredentialsRefusedError: the session of `tickctl login` is over, or would have to be renewed.
    """
    from tickctl.adapters import project
    from tickctl.core.quota import QuotaAdmin
    from tickctl.core.tokens.policy import DEFAULT_LEEWAY

    _warn(run)
    backend = choose(run.settings, run.backend)
    identity = choose_identity(run, backend)
    policy = project.policy(run.settings, leeway=DEFAULT_LEEWAY)
    caller: Caller | None = None
    with ExitStack() as stack:
        if backend is BackendName.LOCAL:
            functions, url = embedded_reading(run, stack)
        else:
            url = run.settings.db_url
            functions, caller = administration(run.settings, identity, stack)
        yield Reader(QuotaAdmin(functions, operator_name(), caller=caller), policy, reads_largest_cost(url))


def _warn(run: Run) -> None:
    if run.settings.allow_unconfirmed:
        run.output.warning("SUPABASE_ALLOW_UNCONFIRMED lets users in whose e-mail is not confirmed")
