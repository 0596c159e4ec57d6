"""Alert rules, dashboard and documentation speak of metrics that exist, with labels they have."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

import delivery.metrics  # noqa: F401  # declares what is shown
from mailweb.lib.meters import FAMILIES, OTHER
from mailweb.metrics import QUEUE_FAMILIES
from tests.house.tree import ROOT
from tests.peers.servers import presence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALERTS = ROOT / "docs/monitoring/alerts.yml"
DASHBOARD = ROOT / "docs/monitoring/grafana.json"
DOCUMENT = ROOT / "docs/monitoring.md"

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
ADDED_BY_PROMETHEUS = {"instance", "job"}

SELECTOR = re.compile(r"\b(mailweb_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


def series() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the labels of every series by its name; values only where they are declared."""
    known: dict[str, dict[str, tuple[str, ...]]] = {
        name: dict.fromkeys(labels, ()) for name, labels in QUEUE_FAMILIES.items()
    }
    for family in FAMILIES.values():
        if family.name.startswith("mailweb_test_"):
            continue
        for suffix in SUFFIXES[family.kind]:
            more: dict[str, tuple[str, ...]] = {"le": ()} if suffix == "_bucket" else {}
            known[family.name + suffix] = {**family.labels, **more}
    return known


def mistakes_in(expression: str) -> Iterator[str]:
    """Yield what an expression says that is not so."""
    known, labels = series(), set(ADDED_BY_PROMETHEUS)
    # What a variable of the dashboard asks for is a metric and one of its labels.
    selected = SELECTOR.findall(re.sub(r"label_values\((\w+),\s*\w+\)", r"\1", expression))
    if not selected:
        yield f"no metric in {expression}"
    for name, inside in selected:
        if name not in known:
            yield f"{name} does not exist"
            continue
        labels |= known[name].keys()
        yield from mistakes_between_braces(name, known[name], inside)
    for group in GROUPED.findall(expression):
        for label in filter(None, re.split(r"[\s,]+", group)):
            if label not in labels:
                yield f"nothing in it has the label {label}"


def mistakes_between_braces(
    name: str, known: dict[str, tuple[str, ...]], inside: str
) -> Iterator[str]:
    if MATCHER.sub("", inside).strip():
        yield f"{{{inside}}} can't be read"
    for label, how, value in MATCHER.findall(inside):
        if label not in known.keys() | ADDED_BY_PROMETHEUS:
            yield f"{name} has no label {label}"
        declared = known.get(label)
        if declared and not value.startswith("$"):
            words = value.split("|") if "~" in how else [value]
            plain = [re.sub(r"\[(.)\]", r"\1", word) for word in words]
            yield from (f"{label} is never {word}" for word in plain if word not in declared)


def alert_expressions() -> list[str]:
    lines = ALERTS.read_text(encoding="utf-8").splitlines()
    return [json.loads(line.split("expr: ")[1]) for line in lines if "expr: " in line]


def dashboard_expressions() -> list[str]:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return [*asked, *(one["query"]["query"] for one in board["templating"]["list"][1:])]


@pytest.mark.parametrize("expressions", [alert_expressions, dashboard_expressions])
def test_expressions_name_what_exists(expressions: object) -> None:
    found = expressions()  # type: ignore[operator]
    assert len(found) > 10
    assert [mistake for one in found for mistake in mistakes_in(one)] == []


@pytest.mark.parametrize(
    "expression",
    [
        "up == 0",
        "rate(mailweb_nothing_total[5m])",
        "mailweb_attempts",
        'mailweb_attempts_total{result="delivered"}',
        'mailweb_attempts_total{outcome="arrived"}',
        'mailweb_attempts_total{outcome=~"failed|arrived"}',
        "sum by (host) (mailweb_attempts_total)",
        "mailweb_attempts_total{outcome=delivered}",
    ],
)
def test_mistakes_are_found(expression: str) -> None:
    assert list(mistakes_in(expression))


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    text = ALERTS.read_text(encoding="utf-8")
    rules = text.split("- alert: ")[1:]
    for rule in rules:
        assert re.search(r"^ +severity: (critical|warning|info)$", rule, re.MULTILINE), rule
        for word in ("expr: ", "for: ", "summary: ", "description: "):
            assert word in rule, rule
    names = [rule.split()[0] for rule in rules]
    assert len(set(names)) == len(names)


def test_documentation_lists_every_metric_with_its_labels() -> None:
    rows = re.findall(
        r"^\| `(mailweb_\w+)` \| ([^|]*)\|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    meant = {name: set(labels) for name, labels in QUEUE_FAMILIES.items()}
    for family in FAMILIES.values():
        if not family.name.startswith("mailweb_test_"):
            name = family.name + ("_total" if family.kind == "counter" else "")
            meant[name] = set(family.labels)
    assert told == meant


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for one in dashboard_expressions() for name, _ in SELECTOR.findall(one)}
    families = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in shown}
    wanted = {one.name for one in FAMILIES.values() if not one.name.startswith("mailweb_test_")}
    assert wanted - families == set()


def test_prometheus_itself_reads_the_rules(tmp_path: Path) -> None:
    promtool = presence.unpacked("usr/bin/promtool", of="promtool")
    rules = [one.replace("$__rate_interval", "5m") for one in dashboard_expressions()[:-1]]
    lines = [
        f"      - record: panel{at}\n        expr: {json.dumps(rule)}\n"
        for at, rule in enumerate(rules)
    ]
    panels = tmp_path / "panels.yml"
    panels.write_text("groups:\n  - name: panels\n    rules:\n" + "".join(lines), encoding="utf-8")
    subprocess.run([promtool, "check", "rules", str(ALERTS), str(panels)], check=True)


def test_labels_never_have_a_value_for_whatever_comes() -> None:
    """Values are words of ours: `other` is for the rest, so that nobody can make series grow."""
    for family in FAMILIES.values():
        for values in family.labels.values():
            assert all(re.fullmatch(r"[A-Za-z0-9.+_-]+", value) for value in values)
    assert OTHER in FAMILIES["mailweb_dns_lookup_seconds"].labels["type"]
