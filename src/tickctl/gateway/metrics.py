"""What a gate does, as metrics for Prometheus; needs `pip install 'tickctl[metrics]'`.

    from tickctl.gateway.metrics import Metrics

    app = TickGate(app, protect={"POST /tasks"}, observe=Metrics())

Labels hold methods, the paths of patterns, decisions and statuses: nothing that a client chooses, and no user.
"""

from typing import Final

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ModuleNotFoundError as error:
    message = "tickctl.gateway.metrics needs prometheus-client: pip install 'tickctl[metrics]'"
    raise ModuleNotFoundError(message, name=error.name) from None

from tickctl.gateway.observation import Decided, Handled, Observation, Settling, Step

__all__ = ["Metrics"]

_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The metrics of one or more gates of a process; an `Observer`.

    Args:
        registry: where the metrics are registered.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        request = ("method", "route")

        def counter(name: str, documentation: str, *labels: str) -> Counter:
            return Counter(f"tickctl_gateway_{name}", documentation, labels, registry=registry)

        def histogram(name: str, documentation: str, *labels: str) -> Histogram:
            full_name = f"tickctl_gateway_{name}_seconds"
            return Histogram(full_name, documentation, labels, registry=registry, buckets=_SECONDS)

        self._decisions = counter("decisions_total", "Requests by what the gate decided.", *request, "decision")
        self._responses = counter("responses_total", "Allowed requests by status of the answer.", *request, "status")
        self._lost = counter("lost_responses_total", "Allowed requests whose client hung up.", *request)
        self._charged = counter("charged_ticks_total", "Ticks charged for allowed requests.", *request)
        self._returned = counter("returned_ticks_total", "Ticks refunded or settled back.", *request)
        self._steps = histogram("step_duration", "Time spent on a step of the decision.", "step")
        self._handler = histogram("handler_duration", "Time from the decision to the end of the handler.", *request)
        self._settlements = counter("settlements_total", "Steps of settlements, by step.", "step")
        self._waiting = Gauge(
            "tickctl_gateway_settlements_waiting",
            "Settlements that the database doesn't have yet.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        for step in Step:
            self._settlements.labels(step.value)  # a counter that begins at 1 has no rate

    def __call__(self, observation: Observation) -> None:
        """Count what was observed."""
        match observation:
            case Decided():
                self._decided(observation)
            case Handled():
                self._handled(observation)
            case Settling():
                self._settlements.labels(observation.step.value).inc()
                self._waiting.set(observation.waiting)

    def _decided(self, decided: Decided) -> None:
        self._decisions.labels(*_request(decided), decided.decision).inc()
        self._steps.labels("verify").observe(decided.verify_seconds)
        if decided.user_id is not None:
            self._steps.labels("body").observe(decided.body_seconds)
        if decided.store_seconds:
            self._steps.labels("store").observe(decided.store_seconds)
        if decided.status is None and decided.ticks is not None:
            self._charged.labels(*_request(decided)).inc(decided.ticks)

    def _handled(self, handled: Handled) -> None:
        request = _request(handled.decided)
        self._responses.labels(*request, "none" if handled.status is None else str(handled.status)).inc()
        self._handler.labels(*request).observe(handled.seconds)
        if handled.lost:
            self._lost.labels(*request).inc()
        if handled.settled is not None and handled.decided.ticks is not None:
            self._returned.labels(*request).inc(handled.decided.ticks - handled.settled)


def _request(decided: Decided) -> tuple[str, str]:
    return decided.method if decided.method in _METHODS else "_OTHER", decided.route
