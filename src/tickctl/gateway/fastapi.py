"""The gate for FastAPI: a route that declares `Ticks` is protected, and its documentation says so.

    from tickctl.gateway.fastapi import Ticks, protect

    app = FastAPI()
    protect(app)

    @app.post("/tasks", status_code=202)
    async def create_task(task: Task, ticks: Ticks) -> Accepted: ...

FastAPI reads a request's body before it resolves dependencies, and a dependency can't touch the answer of a handler
that fails. So the gate is middleware, which `protect` adds, and the dependency hands over what the gate has found.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

try:
    from fastapi import FastAPI, Security, routing
except ModuleNotFoundError as error:
    message = "tickctl.gateway.fastapi needs FastAPI: pip install 'tickctl[gateway]'"
    raise ModuleNotFoundError(message, name=error.name) from None
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as StarletteScope

from tickctl.errors import ConfigurationError
from tickctl.gateway.admission import STATE_KEY, Admission
from tickctl.gateway.asgi import TickGate
from tickctl.gateway.cost import Cost, prepared
from tickctl.gateway.gate import Gate
from tickctl.gateway.observation import Observer
from tickctl.gateway.openapi import describe
from tickctl.gateway.options import GateOptions, not_served
from tickctl.gateway.routes import Protect, Protected, Scope
from tickctl.settings import Settings

__all__ = ["Admitted", "Ticks", "admitted", "not_carried_out", "protect"]

_MakeGate: TypeAlias = Callable[[ASGIApp, Protect], TickGate]
_UNPROCESSABLE: Final = 422


class Admitted(SecurityBase):
    """The dependency behind `Ticks`, for a route with a cost of its own.

        @app.post("/embed")
        async def embed(ticks: Annotated[Admission, Security(Admitted(cost=1))]) -> Vector: ...

    All of them are one dependency to FastAPI, so one override in `app.dependency_overrides` stands for all.

    Args:
        cost: the name of a field of the body, a number of ticks, a `Field`, or a function of the `GateRequest`.

    Raises:
        ConfigurationError: that is no cost.
    """

    def __init__(self, cost: Cost = "max_ticks") -> None:
        self.cost = prepared(cost)
        self.scheme_name = "SupabaseAccessToken"
        self.model = HTTPBearer(
            bearerFormat="JWT", description="The access token of a signed-in user with a confirmed e-mail address."
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Admitted)

    def __hash__(self) -> int:
        return hash(Admitted)

    async def __call__(self, connection: HTTPConnection) -> Admission:
        """Hand over the admission that the gate has left in the request's state."""
        admission = connection.scope.get("state", {}).get(STATE_KEY)
        if not isinstance(admission, Admission):
            raise RuntimeError(  # noqa: TRY004 - a mistake in the program, and nothing that a client sent
                "this route declares Ticks, and no gate has admitted the request: call"
                " tickctl.gateway.fastapi.protect with the FastAPI application that the route belongs to"
            )
        return admission


admitted: Final = Admitted()
"""The dependency behind `Ticks`, for `dependencies=[Security(admitted)]` and, in tests, `app.dependency_overrides`."""

Ticks: TypeAlias = Annotated[Admission, Security(admitted)]
"""A parameter of a handler or a dependency: the admission of a request that is protected by this very declaration."""


def not_carried_out(status: int) -> bool:
    """Whether an answer of a FastAPI application says that the handler has failed, or has not even been called.

    FastAPI answers 422 where a request doesn't fit the handler's own parameters. The gate has been passed by then, and
    nothing has been done for the ticks. Handlers that work first and answer 422 then need another rule, as
    `GateOptions(refunds=lambda status: status >= 500)`.
    """
    return not_served(status) or status == _UNPROCESSABLE


def protect(
    app: FastAPI,
    *,
    gate: Gate | None = None,
    settings: Settings | None = None,
    options: GateOptions | None = None,
    observe: Observer | None = None,
) -> None:
    """Protect all routes of an application that declare `Ticks`, whenever and by whatever router they are added.

    The gate becomes the innermost middleware: others see its refusals as answers of the application, so that CORS
    headers are on them, and what they do to a request is done before. Mounted applications need a call of their own;
    they see no end of the process, so let them share a gate with the application that they are mounted on.

    Charges are given back where the answer says that nothing was done (`not_carried_out`), unless `options` has a
    rule of its own; a gate that is passed in keeps the rule that it was made with.

    Args:
        app: the application, before it has served anything.
        gate: decides; without one, it is built from the settings when the application starts.
        settings: the project; from the environment and env files unless given.
        options: for the gate that is built.
        observe: called with each decision of the gate that is built.

    Raises:
        RuntimeError: the application is protected already, or has started.
    """
    if app.middleware_stack is not None:
        raise RuntimeError("the application has started; call protect before that")
    if _protected(app):
        raise RuntimeError("the application is protected already; a second gate would charge twice")
    if gate is None:
        options = options or GateOptions()
        if options.refunds is not_served:
            options = replace(options, refunds=not_carried_out)
    # Not add_middleware, which puts the new one outside of the others.
    make = partial(TickGate, gate=gate, settings=settings, options=options, observe=observe)
    app.user_middleware.append(Middleware(_RouteGate, api=app, make=make))
    _document(app)


def _protected(app: FastAPI) -> bool:
    classes: list[object] = [middleware.cls for middleware in app.user_middleware]
    return _RouteGate in classes


class _RouteGate:
    """A `TickGate` for the routes that declare `Ticks`; not made, so in no need of settings, where tests replace it."""

    def __init__(self, app: ASGIApp, *, api: FastAPI, make: _MakeGate) -> None:
        self._app = app
        self._api = api
        self._make = make
        self._gate: TickGate | None = None

    @property
    def _replaced(self) -> bool:
        return admitted in self._api.dependency_overrides

    async def __call__(self, scope: StarletteScope, receive: Receive, send: Send) -> None:
        if self._gate is None and not self._replaced:
            try:
                self._gate = self._make(self._app, self._selects)
            except ConfigurationError as error:
                if scope["type"] != "lifespan":
                    raise
                # Said so, it ends the server; it would take an exception for an application without a lifespan.
                await receive()
                message = f"{error.message}; {error.hint}" if error.hint else error.message
                await send({"type": "lifespan.startup.failed", "message": message})
                return
        await (self._gate or self._app)(scope, receive, send)

    def _selects(self, scope: Scope) -> Protected | None:
        """Return the cost of a request that the router will give to a route that declares `Ticks`.

        If the router should see it differently, either the dependency finds no admission and fails, or a request is
        charged that needn't be; nobody gets in.
        """
        if self._replaced:
            return None
        route = _matching(self._api.router.routes, scope)
        costs = {declared.cost for declared in _declared(getattr(route, "dependant", None))}
        if len(costs) > 1:
            raise RuntimeError(f"the route {route.path} declares several costs")
        return Protected(route.path, costs.pop()) if costs else None


def _matching(routes: Iterable[BaseRoute], scope: Scope) -> Any:
    """Return what the router would choose: the first route that takes path and method alike, or `None`."""
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            if isinstance(route, APIRoute):  # stands for itself; this is most of what is asked at each request
                return route
            return next((inner for inner in _effective(route) if inner.matches(scope)[0] is Match.FULL), None)
    return None


def _effective(route: BaseRoute) -> Iterable[Any]:
    """Return the routes that an entry of the router stands for, with the prefixes and dependencies of their inclusion.

    Since 0.137, FastAPI keeps included routers as they are, and shows what is in them by `iter_route_contexts`.
    """
    expanded = getattr(routing, "iter_route_contexts", None)
    return [route] if expanded is None else expanded([route])


def _declared(dependant: Any) -> Iterator[Admitted]:
    """Yield the declarations of `Ticks` in a route's tree of dependencies."""
    if dependant is None:
        return
    if isinstance(dependant.call, Admitted):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _declared(inner)


def _document(app: FastAPI) -> None:
    """Let the application's OpenAPI document tell what the gate answers."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generated()
        describe(schema, admitted.scheme_name)
        return schema

    # The way that FastAPI's documentation shows for extending it.
    app.openapi = openapi  # type: ignore[method-assign]
