"""Metrics count what the gate reports, under labels that no client can make up."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tickctl.gateway import Decided, Handled, Observation, Settling, Step
from tickctl.gateway.metrics import Metrics

REQUEST = {"method": "POST", "route": "/tasks"}


def values(*observations: Observation) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the samples, but for buckets, after some observations: by name, then by labels."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for observation in observations:
        metrics(observation)
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in registry.collect():
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                name = sample.name.removeprefix("tickctl_gateway_")
                samples.setdefault(name, {})[tuple(sample.labels.values())] = sample.value
    return samples


def decided(**more: Any) -> Decided:
    """Return the decision about a request for 5 ticks."""
    return Decided(**{**REQUEST, "user_id": "u", "ticks": 5, "store_seconds": 0.25, **more})


def test_an_allowed_request_is_counted_once_at_each_report() -> None:
    """With its ticks, what it gave back, its answer and its times."""
    allowed = decided()
    samples = values(allowed, Handled(allowed, 202, 3, False, 1.5))
    request = ("POST", "/tasks")
    assert samples["decisions_total"] == {(*request, "granted"): 1}
    assert samples["responses_total"] == {(*request, "202"): 1}
    assert samples["charged_ticks_total"] == {request: 5}
    assert samples["returned_ticks_total"] == {request: 2}
    assert samples["handler_duration_seconds_sum"] == {request: 1.5}
    assert samples["step_duration_seconds_sum"][("store",)] == 0.25
    assert "lost_responses_total" not in samples


def test_a_rejected_request_is_charged_nothing() -> None:
    """However many ticks it asked for."""
    samples = values(decided(decision="quota_exhausted", status=429))
    assert samples["decisions_total"] == {("POST", "/tasks", "quota_exhausted"): 1}
    assert "charged_ticks_total" not in samples


def test_a_lost_answer_is_counted_as_such() -> None:
    """The client hung up before there was a status."""
    samples = values(Handled(decided(), None, None, True, 1.0))
    assert samples["lost_responses_total"] == {("POST", "/tasks"): 1}
    assert samples["responses_total"] == {("POST", "/tasks", "none"): 1}
    assert "returned_ticks_total" not in samples


def test_steps_of_settlements_are_counted_from_0() -> None:
    """An alert on the first lost one needs the 0 before it."""
    samples = values(Settling(Step.SUBMITTED, "c", 1), Settling(Step.LOST, "c", 0))
    assert samples["settlements_total"] == {("submitted",): 1, ("retried",): 0, ("settled",): 0, ("lost",): 1}
    assert samples["settlements_waiting"] == {(): 0}


@pytest.mark.parametrize("method", ["post", "FOO", "X" * 1000])
def test_methods_of_a_clients_own_share_a_label(method: str) -> None:
    """Each value of a label is kept for ever, so clients must not choose them."""
    assert values(decided(method=method))["decisions_total"] == {("_OTHER", "/tasks", "granted"): 1}
