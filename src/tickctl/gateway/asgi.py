"""The gate as ASGI middleware: what is protected passes it, everything else goes by untouched."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final, TypeAlias

from tickctl.core.quota import ratelimit
from tickctl.errors import ConfigurationError
from tickctl.gateway.admission import Admission, AdmittedState
from tickctl.gateway.body import ClientGoneError, read_body
from tickctl.gateway.configuration import build_gate
from tickctl.gateway.cost import GateRequest
from tickctl.gateway.gate import Gate
from tickctl.gateway.listing import check_listed
from tickctl.gateway.observation import Handled, Observer
from tickctl.gateway.options import GateOptions
from tickctl.gateway.problem import Problem, RefusedError
from tickctl.gateway.routes import Protect, Protected, Scope, root_path_of, selector
from tickctl.settings import Settings

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_REQUEST_TIMEOUT: Final = 408
EXPOSED_HEADERS: Final = ("RateLimit", "RateLimit-Policy", "Retry-After")
"""What a browser must let a page's script read (`Access-Control-Expose-Headers`, Fetch section 3.3.3)."""
_log: Final = logging.getLogger("tickctl.gateway")
_GUARDED: Final = "tickctl.gateway.guarded"


class TickGate:
    """Protects requests of an ASGI application: a good token, and ticks for each.

    The handler finds the `Admission` in the scope's state under `ticks`. Where the handler fails, the charge is given
    back.

    Args:
        app: the application.
        protect: patterns such as `POST /tasks`, each with its cost if that is not `max_ticks` in the body; or a
            function of the scope that returns the cost of a request, `None` for those that are not protected.
        gate: decides; without one, it is built from the settings.
        settings: the project; from the environment and env files unless given.
        options: for the gate that is built.
        observe: called with each decision of the gate that is built, and again when the handler is done.

    Raises:
        ConfigurationError: the settings, the patterns or the costs can't be used, or a gate is given with options for
            one.
    """

    def __init__(
        self,
        app: App,
        protect: Protect,
        *,
        gate: Gate | None = None,
        settings: Settings | None = None,
        options: GateOptions | None = None,
        observe: Observer | None = None,
    ) -> None:
        self._app = app
        self._selects = selector(protect, root_path_of(app))
        self._unlisted: Collection[str] = () if callable(protect) else protect
        """Patterns that have not been looked for among the application's routes, which it may add until it starts."""
        if gate is not None and (settings, options, observe) != (None, None, None):
            raise ConfigurationError("a gate that is made has its options already", hint="give them to build_gate")
        self._gate = gate or build_gate(settings, options=options, observe=observe)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if scope["type"] == "http":
            self._check_listed()  # where no lifespan has come; a mistyped pattern selects no request
            protected = self._selects(scope)
            if protected is not None:
                await self._guarded(protected, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check_listed(self) -> None:
        if self._unlisted:
            check_listed(self._unlisted, self._app)
            self._unlisted = ()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan on; the gate closes after the application, before the server hears of that."""
        is_open = False

        async def send_after_closing(message: Message) -> None:
            nonlocal is_open
            if message["type"] == "lifespan.startup.complete":
                try:
                    self._check_listed()
                except ConfigurationError as error:
                    # Said so, it ends the server; it would take an exception for an application without a lifespan.
                    message = {"type": "lifespan.startup.failed", "message": f"{error.message}; {error.hint}"}
            is_open = message["type"] == "lifespan.startup.complete"
            if message["type"].startswith("lifespan.shutdown."):
                await self._gate.aclose()
            await send(message)

        try:
            await self._app(scope, receive, send_after_closing)
        finally:
            if is_open:  # the application broke down in its shutdown
                await self._gate.aclose()

    async def _guarded(self, protected: Protected, scope: Scope, receive: Receive, send: Send) -> None:
        if _GUARDED in scope:
            raise RuntimeError("two gates stand before this request, and would charge it twice")
        scope[_GUARDED] = True

        async def whole_body() -> bytes:
            return await read_body(receive, scope["headers"], self._gate.options)

        request = GateRequest(
            scope["method"],
            scope["path"],
            scope.get("query_string", b""),
            scope["headers"],
            whole_body,
            protected.cost,
            protected.path,
        )
        try:
            admission = await self._gate.admit(request)
        except RefusedError as refused:
            await _answer(refused.problem, scope, send)
            return
        except ClientGoneError:
            return
        scope["state"] = AdmittedState(scope.get("state", {}), admission)
        exchange = _Exchange(scope, request, admission, self._gate.options)
        try:
            await self._app(scope, exchange.receiving(receive), exchange.sending(send))
        except Exception:
            exchange.failed()
            raise
        except asyncio.CancelledError:
            exchange.cancelled()
            raise
        else:
            exchange.returned()
        finally:
            self._gate.observe(exchange.observed())


class _Exchange:
    """One admitted request and its answer."""

    def __init__(self, scope: Scope, request: GateRequest, admission: Admission, options: GateOptions) -> None:
        self._body = request.body_bytes
        self._charge = admission.charge
        self._decided = request.decided
        self._options = options
        self._headers = _encoded(
            {**ratelimit.headers(admission.consumption), **_exposure(scope)}  # none for unlimited users
        )
        self._status: int | None = None
        self._client_gone = False
        self._began = time.perf_counter()

    def receiving(self, receive: Receive) -> Receive:
        """Give the body once, where the gate has read it, and then what comes."""

        async def receive_again() -> Message:
            if self._body is not None:
                body, self._body = self._body, None
                return {"type": "http.request", "body": body, "more_body": False}
            message = await receive()
            self._client_gone = self._client_gone or message["type"] == "http.disconnect"
            return message

        return receive_again

    def sending(self, send: Send) -> Send:
        """Add the headers to an answer, or give the charge back if it says that the handler has failed."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                if not self._options.refunds(message["status"]):
                    message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
                elif not self._client_gone:
                    self._charge.refund()
            try:
                await send(message)
            except (OSError, asyncio.CancelledError):  # gone, or not reading; all else is the application's mistake
                self._client_gone = True
                raise

        return send_on

    def returned(self) -> None:
        """Give the charge back if there was no answer; one that nobody waited for says nothing."""
        if self._status is None and not self._client_gone:
            self._charge.refund()

    def cancelled(self) -> None:
        """Leave the charge: a client that hangs up can bring this about, when the work may be done already."""
        self._client_gone = True
        if self._status is None:
            _log.info("charge %s stays: its request was cancelled before there was an answer", self._charge.id)

    def failed(self) -> None:
        """Give the charge back, unless the client has hung up: else hanging up at the right moment made work free."""
        self._status = self._status or 500
        if not self._client_gone:
            self._charge.refund()

    def observed(self) -> Handled:
        """Return what became of the request."""
        seconds = time.perf_counter() - self._began
        return Handled(self._decided, self._status, self._charge.settled, self._client_gone, seconds)


async def _answer(problem: Problem, scope: Scope, send: Send) -> None:
    body = problem.body()
    fields = problem.fields(body)
    if problem.status == _REQUEST_TIMEOUT and scope.get("http_version", "1.1").startswith("1."):
        fields["Connection"] = "close"  # RFC 9110 section 15.5.9: what is left of the body must not be waited for
    headers = _encoded({**fields, **_exposure(scope)})
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _exposure(scope: Scope) -> dict[str, str]:
    asked_by_a_page = any(name == b"origin" for name, _ in scope["headers"])
    return {"Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS)} if asked_by_a_page else {}


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
