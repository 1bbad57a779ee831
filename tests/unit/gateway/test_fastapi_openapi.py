"""What the OpenAPI document of a protected FastAPI application says."""

import json
from typing import Annotated, Any

import jsonschema
import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.openapi.models import OpenAPI
from pydantic import BaseModel

from tickctl.gateway import Problem
from tickctl.gateway.fastapi import Ticks, admitted, protect
from tickctl.gateway.problem import TITLES
from tickctl.gateway.refusals import DECISIONS, VERDICTS

PROBLEM = "application/problem+json"


class Task(BaseModel):
    """What a client asks for."""

    prompt: str
    max_ticks: int


def application() -> FastAPI:
    """Return a protected application with one route that declares Ticks, and one that doesn't."""
    app = FastAPI()
    protect(app)

    @app.post("/tasks", status_code=202)
    async def create(task: Task, ticks: Ticks) -> dict[str, str]:
        raise NotImplementedError

    @app.get("/health")
    async def health(verbose: bool = False) -> dict[str, str]:
        raise NotImplementedError

    return app


def operation(app: FastAPI, method: str = "post", path: str = "/tasks") -> dict[str, Any]:
    """Return what the document says of an operation."""
    found: dict[str, Any] = app.openapi()["paths"][path][method]
    return found


def test_the_operation_wants_a_bearer_token() -> None:
    """Its security scheme is HTTP bearer with a JWT, so that the documentation's page can ask for a token."""
    app = application()
    assert operation(app)["security"] == [{"SupabaseAccessToken": []}]
    scheme = app.openapi()["components"]["securitySchemes"]["SupabaseAccessToken"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")


def test_every_status_that_the_gate_answers_with_is_described() -> None:
    """Each has problem details as its content, all of one schema."""
    responses = operation(application())["responses"]
    assert {int(status) for status in responses} == {202, *TITLES}
    for status in TITLES:
        assert responses[str(status)]["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_the_codes_are_those_of_the_tables() -> None:
    """What clients may branch on stands with the status that it comes with."""
    responses = operation(application())["responses"]
    for reason, status in VERDICTS.items():
        assert status is None or f"`{reason.value}`" in responses[str(status)]["description"]
    for refusal in DECISIONS.values():
        assert refusal is None or f"`{refusal[1]}`" in responses[str(refusal[0])]["description"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("202", {"RateLimit", "RateLimit-Policy"}),
        ("401", {"WWW-Authenticate"}),
        ("429", {"RateLimit", "RateLimit-Policy", "Retry-After"}),
        ("503", {"Retry-After"}),
    ],
)
def test_headers_are_described(status: str, headers: set[str]) -> None:
    """Also those of the handler's own answer."""
    assert set(operation(application())["responses"][status]["headers"]) == headers


def test_the_idempotency_key_is_an_optional_header() -> None:
    """Client generators offer it."""
    (key,) = operation(application())["parameters"]
    assert (key["name"], key["in"], key["required"]) == ("Idempotency-Key", "header", False)


def test_fastapis_own_422_stays_documented() -> None:
    """A request that the gate lets through may still not fit the handler's model."""
    content = operation(application())["responses"]["422"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/HTTPValidationError"}
    assert set(content) == {"application/json", PROBLEM}


def test_unprotected_operations_are_documented_as_before() -> None:
    """They have neither the scheme nor the answers of the gate."""
    plain = FastAPI()

    @plain.get("/health")
    async def health(verbose: bool = False) -> dict[str, str]:
        raise NotImplementedError

    assert operation(application(), "get", "/health") == operation(plain, "get", "/health")


def test_an_application_without_protected_routes_is_documented_as_before() -> None:
    """The gate leaves no schema behind where nothing refers to it."""
    plain, protected = FastAPI(), FastAPI()
    protect(protected)
    assert protected.openapi() == plain.openapi()


def test_what_the_application_says_itself_stays() -> None:
    """Descriptions, schemas and headers of its own go before ours."""
    app = FastAPI()
    protect(app)
    own = {"description": "Too many today", "headers": {"Retry-After": {"schema": {"type": "integer"}}}}
    referred = {"responses": {"503": {"$ref": "#/components/responses/Down"}}}

    @app.post("/tasks", responses={429: own, 409: {"model": Task}}, openapi_extra=referred)
    async def create(ticks: Ticks) -> None:
        raise NotImplementedError

    responses = operation(app)["responses"]
    assert responses["429"]["description"] == "Too many today"
    assert responses["429"]["headers"]["Retry-After"] == {"schema": {"type": "integer"}}
    assert set(responses["429"]["headers"]) == {"RateLimit", "RateLimit-Policy", "Retry-After"}
    assert set(responses["409"]["content"]) == {"application/json", PROBLEM}
    assert responses["503"] == {"$ref": "#/components/responses/Down"}


def test_a_model_named_problem_stays_what_it_is() -> None:
    """The application's own schema of that name is not replaced."""

    class Problem(BaseModel):
        difficulty: int

    app = FastAPI()
    protect(app)

    @app.post("/tasks")
    async def create(ticks: Ticks) -> Problem:
        raise NotImplementedError

    responses, schemas = operation(app)["responses"], app.openapi()["components"]["schemas"]
    assert responses["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert set(schemas["Problem"]["properties"]) == {"difficulty"}
    assert responses["401"]["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/GateProblem"}
    assert "code" in schemas["GateProblem"]["properties"]


def test_the_document_is_one_of_openapi() -> None:
    """Programs that read such documents find everything in its place."""
    OpenAPI.model_validate(application().openapi())


def test_the_document_is_the_same_when_asked_again() -> None:
    """FastAPI keeps the document; describing it twice changes nothing."""
    app = application()
    first = repr(app.openapi())
    assert repr(app.openapi()) == first


def test_routes_behind_routers_and_dependencies_are_documented() -> None:
    """However the declaration reaches the operation: by a router's dependencies, or through another dependency."""
    app, outer, inner = FastAPI(), APIRouter(prefix="/v1"), APIRouter(dependencies=[Security(admitted)])
    protect(app)

    def user_id(ticks: Ticks) -> str:
        return ticks.user.id

    @inner.post("/tasks")
    async def create() -> None:
        raise NotImplementedError

    @outer.post("/jobs")
    async def job(user: Annotated[str, Depends(user_id)]) -> None:
        raise NotImplementedError

    outer.include_router(inner, prefix="/{org}")
    app.include_router(outer)
    assert "429" in operation(app, path="/v1/{org}/tasks")["responses"]
    assert "429" in operation(app, path="/v1/jobs")["responses"]


@pytest.mark.parametrize(
    "problem",
    [
        Problem(401, "expired", "the token has expired"),
        Problem(
            429,
            "quota_exhausted",
            "not enough ticks are left for today",
            members={
                "violated-policies": ["daily-ticks"],
                "daily_tick_limit": None,
                "ticks_granted": 0,
                "ticks_used": 32,
                "ticks_remaining": 0,
                "resets_at": "2026-11-24T00:00:00+00:00",
            },
        ),
    ],
)
def test_problem_bodies_are_of_the_documented_schema(problem: Problem) -> None:
    """What is sent holds no member that the document doesn't know."""
    schema = application().openapi()["components"]["schemas"]["Problem"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(problem.body()), schema | {"additionalProperties": False})


def test_a_second_gate_is_refused() -> None:
    """Two would charge twice."""
    app = application()
    with pytest.raises(RuntimeError, match="twice"):
        protect(app)
