"""The gateway hook: lets requests through that carry a good token and for which ticks are left.

    from tickctl.gateway import TickGate
    app = TickGate(app, protect={"POST /tasks"})  # costs what the field max_ticks of the body says
    app = TickGate(app, protect={"POST /tasks": "max_ticks", "POST /embed": 1, "POST /chat": cost})

Needs no web framework; `tickctl.gateway.fastapi` is for FastAPI. Nothing here loads typer, rich or boto3.
"""

from tickctl.gateway.admission import Admission, Charge, User
from tickctl.gateway.asgi import EXPOSED_HEADERS, TickGate
from tickctl.gateway.configuration import build_gate
from tickctl.gateway.cost import Cost, Field, GateRequest
from tickctl.gateway.gate import Gate
from tickctl.gateway.observation import Decided, Handled, Observation, Observer, Settling, Step
from tickctl.gateway.options import GateOptions
from tickctl.gateway.problem import Problem, RefusedError
from tickctl.gateway.routes import Protected
from tickctl.gateway.settling import Settler

__all__ = [
    "EXPOSED_HEADERS",
    "Admission",
    "Charge",
    "Cost",
    "Decided",
    "Field",
    "Gate",
    "GateOptions",
    "GateRequest",
    "Handled",
    "Observation",
    "Observer",
    "Problem",
    "Protected",
    "RefusedError",
    "Settler",
    "Settling",
    "Step",
    "TickGate",
    "User",
    "build_gate",
]
