"""The gateway hook: lets requests through that carry a good token and for which ticks are left.

    from tickctl.gateway import TickGate
    app = TickGate(app, protect={"POST /tasks"})

Needs no web framework; `tickctl.gateway.fastapi` is for FastAPI. Nothing here loads typer, rich or boto3.
"""

from tickctl.gateway.admission import Admission, Charge, User
from tickctl.gateway.asgi import EXPOSED_HEADERS, TickGate
from tickctl.gateway.configuration import build_gate
from tickctl.gateway.gate import Gate, GateRequest, Observation
from tickctl.gateway.options import GateOptions
from tickctl.gateway.problem import Problem, RefusedError
from tickctl.gateway.settling import Settler

__all__ = [
    "EXPOSED_HEADERS",
    "Admission",
    "Charge",
    "Gate",
    "GateOptions",
    "GateRequest",
    "Observation",
    "Problem",
    "RefusedError",
    "Settler",
    "TickGate",
    "User",
    "build_gate",
]
