"""The dashboard and the alerts ask only for metrics, labels and incidents that the endpoint really exports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric

from hummingbot.connector.exchange.valr.valr_latency import LatencyRecorder
from hummingbot.connector.exchange.valr.valr_metrics import Gauges, IncidentKind, LimitUse, Metrics, MetricsView
from hummingbot.connector.exchange.valr.valr_prometheus import MetricsCollector

FOLDER = Path(__file__).resolve().parents[5] / "monitoring"
# Of Prometheus itself, and of Grafana.
NOT_OURS = {"up", "job", "le"}
WORDS = {"sum", "by", "rate", "increase", "count", "histogram_quantile"}


def exported() -> dict[str, set[str]]:
    """Return the labels of every sample that the endpoint exports, by the sample's name."""
    gauges = Gauges(True, True, True, False, 1, 0.0, {"BTC-ZAR": 0.1, "ETH-ZAR": None}, {"a": LimitUse(1, 2, 1.0)})
    latency = LatencyRecorder()
    latency.event(0.1)
    families: list[Metric] = list(MetricsCollector("valr", MetricsView(Metrics(), lambda: gauges), latency).collect())
    samples = [sample for family in families for sample in family.samples]
    return {
        name: {label for each in samples if each.name == name for label in each.labels}
        for name in {sample.name for sample in samples}
    }


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / "grafana-valr.json").read_text())
    return content


def alerts() -> list[dict[str, Any]]:
    content = yaml.safe_load((FOLDER / "valr-alerts.yml").read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    targets = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    variables = [each["definition"] for each in dashboard()["templating"]["list"] if each["type"] == "query"]
    return [*targets, *variables, *(rule["expr"] for rule in alerts())]


def names_in(query: str) -> set[str]:
    """Return the names of metrics and labels in a query: what is left without text, ranges, numbers and functions."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', " ", query)
    return set(re.findall(r"[a-z_]+", bare)) - WORDS - {"label_values"}


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_every_query_names_what_is_exported(query: str) -> None:
    known = exported()
    metrics = {name for name in names_in(query) if name.startswith("valr_")}
    assert metrics or query.startswith("up{")
    assert metrics <= set(known)
    labels = set().union(*(known[name] for name in metrics))
    assert names_in(query) - metrics - NOT_OURS <= labels
    kinds = set(re.findall(r'kind="([^"]*)"', query))
    assert kinds <= {kind.value for kind in IncidentKind}


def test_a_query_of_a_metric_that_is_not_exported_would_be_noticed() -> None:
    assert names_in('sum by (kind) (rate(valr_no_such_total{kind="a b"}[5m])) > 0') == {"kind", "valr_no_such_total"}


def test_the_dashboard_has_what_grafana_needs() -> None:
    content = dashboard()
    assert content["id"] is None
    assert content["title"]
    assert content["schemaVersion"] >= 36
    variables = {each["name"] for each in content["templating"]["list"]}
    assert {"datasource", "connector"} == variables
    panels = content["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == [*"ABCDEFGH"][: len(panel["targets"])]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


def test_the_example_for_prometheus_reads_the_port_that_its_comment_names() -> None:
    text = (FOLDER / "prometheus.yml").read_text()
    config = yaml.safe_load(text)
    (job,) = config["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host == "127.0.0.1"
    assert f"`metrics_port: {port}`" in text
    assert all((FOLDER / name).exists() for name in config["rule_files"])
    assert all(rule["annotations"]["summary"] for rule in alerts())
    assert f'job="{job["job_name"]}"' in alerts()[0]["expr"]
