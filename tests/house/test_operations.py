"""The units and the container file: hardened, and naming what exists."""

from __future__ import annotations

import re

import pytest

from mailweb.celery import app
from tests.house.tree import ROOT

FOLDER = ROOT / "docs/operations"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
HARDENED = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "StateDirectory=mailweb",
    "User=mailweb",
    "CapabilityBoundingSet=",
)


@pytest.mark.parametrize("name", UNITS)
def test_units_may_do_only_what_they_need(name: str) -> None:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    assert [one for one in HARDENED if one not in lines] == []


def test_the_workers_of_the_units_hear_every_queue() -> None:
    instances = re.findall(
        r"mailweb-worker@(\w+)", (ROOT / "docs/operations.md").read_text("utf-8")
    )
    routed = {route["queue"] for route in app.conf.task_routes.values()}
    assert set(instances) >= routed | {app.conf.task_default_queue}


def test_the_container_does_not_run_as_root() -> None:
    lines = (FOLDER / "Containerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in {"0", "root"}
