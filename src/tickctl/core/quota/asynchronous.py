"""The gateway's calls of the SQL functions, for an event loop; what they mean stands in `service.py`."""

import uuid

from tickctl.core.quota.model import Consumption, Settlement
from tickctl.core.quota.port import AsyncSqlFunctions, Caller
from tickctl.core.quota.rows import read
from tickctl.core.quota.service import consume_arguments, only_row, settle_arguments
from tickctl.core.secret import Secret
from tickctl.errors import UncertainError, UnreachableError


async def consume(
    functions: AsyncSqlFunctions,
    caller: Caller,
    ticks: int,
    request_key: str | None = None,
    request_digest: str | None = None,
    *,
    charge_id: str | None = None,
    refund: str | None = None,
    require_confirmed: bool = True,
) -> Consumption:
    """Subtract ticks from the caller's day, or learn why not; all is as in `tickctl.core.quota.consume`.

    Raises:
        UncertainError: rubbish as well, since ticks may have been counted before it came.
    """
    arguments = consume_arguments(
        ticks,
        charge_id or str(uuid.uuid4()),
        refund,
        request_key,
        request_digest,
        require_confirmed=require_confirmed,
    )
    rows = await functions.call("consume_ticks", arguments, caller=caller)
    try:
        return read(Consumption, only_row(rows))
    except UnreachableError as error:
        raise UncertainError(error.message, hint=error.hint) from None


async def settle(
    functions: AsyncSqlFunctions, caller: Caller, charge_id: str, ticks_actual: int, secret: Secret | None = None
) -> Settlement:
    """Give back, once, what a charge did not use; all is as in `tickctl.core.quota.settle`."""
    arguments = settle_arguments(charge_id, ticks_actual, secret)
    return read(Settlement, only_row(await functions.call("settle_ticks", arguments, caller=caller)))
