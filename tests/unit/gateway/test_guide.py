"""docs/GATEWAY.md names every answer of the gate and none that there isn't, and its snippets run as printed."""

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import FastAPI
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from source_support import tree_of
from tickctl.core.quota import Decision
from tickctl.core.tokens import Reason
from tickctl.gateway import Decided, GateRequest, Handled, Step
from tickctl.gateway.cost import ticks_of
from tickctl.gateway.metrics import Metrics
from tickctl.gateway.refusals import DECISIONS, VERDICTS

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "GATEWAY.md"
GATEWAY = ROOT / "src" / "tickctl" / "gateway"


def documented() -> set[tuple[int, str]]:
    """Return the statuses and codes of the guide's table."""
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", GUIDE.read_text(), re.MULTILINE)
    return {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}


def written_in_the_source() -> Iterator[tuple[int, str]]:
    """Yield the statuses and codes of the problems that are made where a request is looked at."""
    positions = {"Problem": None, "invalid_token": 401}
    for path in GATEWAY.glob("*.py"):
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.Call(ast.Name(name), [ast.Constant(int(status)), ast.Constant(str(code)), *_]):
                    if name == "Problem":
                        yield status, code
                case ast.Call(ast.Name(name), [ast.Constant(str(code)), *_]) if positions.get(name):
                    yield 401, code
                case ast.Call(ast.Name("cannot_tell"), [_, ast.Constant(str(code))]):
                    yield 503, code


def answers() -> set[tuple[int, str]]:
    """Return every status and code that the gate can answer with."""
    verdicts = {(status, reason.value) for reason, status in VERDICTS.items() if status is not None}
    decisions = {answer[:2] for answer in DECISIONS.values() if answer is not None}
    return verdicts | decisions | set(written_in_the_source())


def test_the_guide_lists_every_answer() -> None:
    """Whoever writes a client finds each status with each code, and nothing that never comes."""
    assert documented() == answers()


def test_every_verdict_and_decision_has_an_answer() -> None:
    """A code that is added must be given one."""
    assert set(VERDICTS) == set(Reason)
    assert set(DECISIONS) == set(Decision)


SNIPPETS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
PROJECT = {
    "SUPABASE_URL": "https://project.supabase.co",
    "SUPABASE_ANON_KEY": "sb_publishable_key",
    "SUPABASE_JWT_SECRET": "the JWT secret of the project in the guide",
}


def run(code: str) -> dict[str, Any]:
    """Run a snippet as printed, with the reader's application, and return what it defines."""
    names: dict[str, Any] = {"app": FastAPI()}
    exec(code, names)  # noqa: S102 - our own guide
    return names


def snippet_with(text: str) -> str:
    """Return the snippet in which something stands."""
    (snippet,) = [snippet for snippet in SNIPPETS if text in snippet]
    return str(snippet)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.strip().splitlines()[-1])
def test_each_snippet_runs_as_printed(snippet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its imports, and no name that the reader has to guess but `app`."""
    for name, value in PROJECT.items():
        monkeypatch.setenv(name, value)
    run(snippet)


def test_the_price_of_the_guide_is_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client pays for what it asks for."""
    for name, value in PROJECT.items():
        monkeypatch.setenv(name, value)
    price = run(snippet_with("def price"))["price"]

    def ticks(document: bytes) -> int:
        async def body() -> bytes:
            return document

        headers = [(b"content-type", b"application/json")]
        return asyncio.run(ticks_of(price, GateRequest("POST", "/answers", b"", headers, body)))

    assert (ticks(b'{"model": "large"}'), ticks(b'{"max_ticks": 9}')) == (5, 1)


def test_the_test_of_the_guide_passes() -> None:
    """Over a project in memory."""
    names = run(snippet_with("MemoryProject"))

    async def create_task(request: Request) -> Response:
        return Response(status_code=202)

    names["app"] = Starlette(routes=[Route("/tasks", create_task, methods=["POST"])])
    asyncio.run(names["test_a_task_costs_what_it_asks_for"]())


def test_metrics_and_alerts_of_the_guide_exist() -> None:
    """The table lists each metric with its labels, and queries ask for nothing else."""
    registry = CollectorRegistry()
    Metrics(registry)
    text = GUIDE.read_text()
    types = {"counter": "_total"}
    metrics = {f"{metric.name}{types.get(metric.type, '')}" for metric in registry.collect()}
    assert set(re.findall(r"^\| `(tickctl_gateway_\w+)`", text, re.MULTILINE)) == metrics
    assert {name.removesuffix("_bucket") for name in re.findall(r"tickctl_gateway_[a-z_]+", text)} == metrics
    (alerts,) = re.findall(r"```yaml\n(groups:.*?)```", text, re.DOTALL)
    expressions = " ".join(rule["expr"] for rule in yaml.safe_load(alerts)["groups"][0]["rules"])
    decisions = set("|".join(re.findall(r'decision=~"([a-z_|]+)"', expressions)).split("|"))
    assert decisions <= {code for _, code in answers()}
    assert set(re.findall(r'step="([a-z]+)"', text)) <= {*Step, "store"}


def test_the_opentelemetry_recipe_records_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rejected and an allowed request, under OpenTelemetry's names."""
    for name, value in PROJECT.items():
        monkeypatch.setenv(name, value)
    reader = InMemoryMetricReader()
    set_meter_provider(MeterProvider([reader]))
    observe = run(snippet_with("opentelemetry"))["observe"]
    granted = Decided("POST", "/tasks")
    for observation in (Decided("POST", "/tasks", "expired", 401), granted, Handled(granted, 202, None, False, 0.5)):
        observe(observation)
    data = reader.get_metrics_data()
    assert data is not None
    points = {
        metric.name: [(dict(point.attributes or {}), point) for point in metric.data.data_points]
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    assert [attributes["gateway.decision"] for attributes, _ in points["gateway.decisions"]] == ["expired", "granted"]
    ((attributes, point),) = points["gateway.handler.duration"]
    assert attributes == {"http.route": "/tasks", "http.response.status_code": 202}
    assert getattr(point, "sum", None) == 0.5
