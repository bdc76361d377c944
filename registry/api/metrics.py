"""Metrics in Prometheus's text format: counts of answers, and what a scrape looks up.

Names, units and types follow Prometheus's "Metric and label naming". Labels hold routes and codes, nothing
that a caller can choose: there are some hundred series at most.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.api.admission import METRICS, STATIC
from registry.api.deps import Monitor, ServicesDep, SessionDep
from registry.api.gates import Gate
from registry.operate.observing import TOTAL, Sample, samples

NOT_ROUTED = "none"  # refused before it was known what is asked for, or nothing that is here
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
PROBLEM = (b"content-type", b"application/problem+json")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
router = APIRouter(tags=["health"])


class Metrics:
    """What one application counts, and where its gates are."""

    def __init__(self) -> None:
        self.counted = CollectorRegistry()
        self.gates: Mapping[str, Gate] = {}  # set once, by `Admission`
        self.answers = Counter(
            "trueprint_requests",
            "Answers to requests",
            ("method", "route", "status"),
            registry=self.counted,
        )
        self.seconds = Histogram(
            "trueprint_request_duration_seconds",
            "From the headers of a request to the end of its answer",
            ("route",),
            buckets=SECONDS,
            registry=self.counted,
        )
        self.problems = Counter(
            "trueprint_problems",
            "Answers that were problems, by code (docs/problems.md)",
            ("code",),
            registry=self.counted,
        )
        PlatformCollector(registry=self.counted)
        ProcessCollector(registry=self.counted)

    def text(self, looked_up: Iterable[Sample]) -> bytes:
        """Everything that is counted, what was looked up, and how it is at the gates."""
        now = CollectorRegistry()
        now.register(_Families([*looked_up, *self._at_gates()]))
        return generate_latest(self.counted) + generate_latest(now)

    def _at_gates(self) -> Iterator[Sample]:
        for gate_name, gate in self.gates.items():
            for name, meaning, number in (
                ("trueprint_gate_inside", "Requests that have their turn", gate.inside),
                ("trueprint_gate_waiting", "Requests that wait for their turn", gate.waiting),
                ("trueprint_gate_refused_total", "Requests that got no turn", gate.refused),
            ):
                yield Sample(name, meaning, number, {"gate": gate_name})


class _Families:
    """A collector of numbers that are known already."""

    def __init__(self, known: Iterable[Sample]) -> None:
        self._known: dict[str, list[Sample]] = {}
        for sample in known:
            self._known.setdefault(sample.name, []).append(sample)

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks a collector for."""
        for name, of_one_name in self._known.items():
            kind = "counter" if name.endswith(TOTAL) else "gauge"
            family = Metric(name.removesuffix(TOTAL), of_one_name[0].meaning, kind)
            for sample in of_one_name:
                family.add_sample(name, dict(sample.labels), sample.value)
            yield family


class Measured:
    """An ASGI middleware around all others: counts answers, and how long they took."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, is_problem = time.monotonic(), "none", False

        async def noted(message: Message) -> None:
            nonlocal status, is_problem
            if message["type"] == "http.response.start":
                status, is_problem = str(message["status"]), PROBLEM in message["headers"]
            elif is_problem and message.get("body"):
                self._metrics.problems.labels(str(json.loads(message["body"])["code"])).inc()
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.answers.labels(method, _route_of(scope), status).inc()
            self._metrics.seconds.labels(_route_of(scope)).observe(time.monotonic() - began)


def _route_of(scope: Scope) -> str:
    """The route as it is written in the code, with names in the place of what callers choose."""
    if scope["path"].startswith(STATIC):
        return STATIC
    return str(getattr(scope.get("route"), "path", NOT_ROUTED))


@router.get(METRICS, operation_id="getMetrics", response_class=Response)
def metrics(request: Request, services: ServicesDep, session: SessionDep, _: Monitor) -> Response:
    """Returns metrics in Prometheus's text format (scope `monitor`)."""
    measured: Metrics = request.app.state.metrics
    return Response(measured.text(samples(services, session)), media_type=MEDIA_TYPE)
