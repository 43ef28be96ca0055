"""The metrics for Prometheus, at http://127.0.0.1:<port>/metrics; off unless the option ``metrics_port`` is set.

It is served by the bot's own event loop: a thread of its own would read counters while they change. The official client
library writes the format; it is an extra, and imported only here and only when the endpoint is wanted.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from aiohttp import web

from hummingbot.connector.exchange.valr.valr_latency import LatencyHistogram, LatencyRecorder
from hummingbot.connector.exchange.valr.valr_metrics import COUNTER_MEANINGS, Gauges, MetricsView

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

HOST = "127.0.0.1"
PATH = "/metrics"

# Upper bounds of the latency buckets, in seconds.
BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class MetricsCollector:
    """Reads a connector's metrics when it is asked for them; a collector as the client library knows them.

    :param connector: the value of the label of that name on every metric
    """

    def __init__(self, connector: str, metrics: MetricsView, latency: LatencyRecorder) -> None:
        self._connector = connector
        self._metrics = metrics
        self._latency = latency

    def collect(self) -> "Iterator[Metric]":
        """Yield every metric."""
        yield from self._counters()
        yield from self._gauges(self._metrics.gauges())
        yield self._latencies()

    def _counters(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily

        for name, count in self._metrics.counters().items():
            yield self._one(CounterMetricFamily, name, COUNTER_MEANINGS[name], count)
        incidents = CounterMetricFamily("valr_incidents", "Incidents by kind", labels=["connector", "kind"])
        for kind, count in self._metrics.incident_counts().items():
            incidents.add_metric([self._connector, kind.value], count)
        yield incidents

    def _gauges(self, gauges: Gauges) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily

        for name, meaning, value in (
            ("ready", "1 while the connector is ready to trade", gauges.ready),
            ("account_socket_up", "1 while the account socket is up", gauges.account_socket_up),
            ("market_socket_up", "1 while the market data socket is up", gauges.market_socket_up),
            ("read_only", "1 while VALR is in read-only mode", gauges.read_only),
            ("live_orders", "Orders of this bot that have not ended", gauges.live_orders),
            ("clock_offset_seconds", "How far VALR's clock is ahead of this machine's", gauges.clock_offset),
        ):
            yield self._one(GaugeMetricFamily, name, meaning, value)
        live = GaugeMetricFamily("valr_book_live", "1 while a pair's book is proven", labels=["connector", "pair"])
        age = GaugeMetricFamily(
            "valr_book_age_seconds", "Time since the last frame of a pair's proven book", labels=["connector", "pair"]
        )
        for pair, seconds in gauges.book_ages.items():
            live.add_metric([self._connector, pair], seconds is not None)
            if seconds is not None:
                age.add_metric([self._connector, pair], seconds)
        used = GaugeMetricFamily(
            "valr_rate_limit_used_ratio", "Share of a rate limit used in its interval", labels=["connector", "limit"]
        )
        for limit_id, use in gauges.rate_limits.items():
            used.add_metric([self._connector, limit_id], use.used / use.limit)
        yield from (live, age, used)

    def _latencies(self) -> "Metric":
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(
            "valr_latency_seconds", "How long placements, cancels and events take", labels=["connector", "measure"]
        )
        for measure, histogram in self._latency.histograms.items():
            family.add_metric([self._connector, measure], _buckets(histogram), histogram.total)
        return family

    def _one(self, family: Any, name: str, meaning: str, value: float) -> "Metric":
        metric: Metric = family(f"valr_{name}", meaning, labels=["connector"])
        metric.add_metric([self._connector], value)  # type: ignore[attr-defined]
        return metric


def _buckets(histogram: LatencyHistogram) -> list[tuple[str, float]]:
    counted = zip(map(str, BOUNDS), histogram.at_most(BOUNDS), strict=True)
    return [*counted, ("+Inf", histogram.count)]


class MetricsEndpoint:
    """Serves the metrics while the connector's network runs; without a port, does nothing.

    :param port: of 127.0.0.1; 0 for no endpoint
    """

    def __init__(
        self,
        connector: str,
        port: int,
        metrics: MetricsView,
        latency: LatencyRecorder,
        logger: Callable[[], logging.Logger],
    ) -> None:
        self._port = port
        self._collector = MetricsCollector(connector, metrics, latency)
        self._logger = logger
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Begin to serve; what hinders that is said in the log, and trading goes on without."""
        if not self._port or self._runner is not None:
            return
        try:
            import prometheus_client  # noqa: F401 - whether it is there
        except ImportError:
            self._logger().error(
                "The option metrics_port needs the Prometheus client library, which is not installed: "
                "'pip install prometheus-client' in Hummingbot's environment. Trading goes on without metrics."
            )
            return
        application = web.Application()
        application.router.add_get(PATH, self._answer)
        # A scraper that keeps its connection must not keep the bot from stopping.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except OSError as error:
            await runner.cleanup()
            self._logger().error(
                f"The metrics cannot be served on port {self._port} ({error.strerror}): set the option metrics_port "
                "to a free port. Trading goes on without metrics."
            )
            return
        self._runner = runner
        self._logger().info(f"Metrics for Prometheus are at http://{HOST}:{self._port}{PATH}.")

    async def stop(self) -> None:
        """Serve no more."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder

        registry = CollectorRegistry()
        registry.register(self._collector)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})
