"""`manage.py lab` as another program sees it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from delivery.lab import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "lab", *arguments]


def environment(data_dir: Path) -> dict[str, str]:
    return os.environ | {"DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "mailweb.settings"}


def run(*arguments: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(  # our own command
        command(*arguments),
        env=environment(data_dir),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A running `manage.py lab --json`, with the arguments of the test's `parametrize`."""
    with subprocess.Popen(  # our own command
        command("--json", *request.param),
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def stop(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize("lab", [["--profile", "pkix", "--profile", "dane"]], indirect=True)
def test_the_first_line_tells_how_to_reach_it(lab: subprocess.Popen[str]):
    line = first_line(lab)
    assert set(line["environment"]) == {
        "DNS_RESOLVERS",
        "SMTP_PORT",
        "MTA_STS_PORT",
        "TLS_CA_FILE",
    }
    assert set(line["domains"]) == {"pkix.test", "dane.test"}
    ca_file = Path(line["environment"]["TLS_CA_FILE"])
    assert ca_file.read_bytes().startswith(b"-----BEGIN CERT")
    assert stop(lab)[0] == 0
    assert not ca_file.parent.exists()


@pytest.mark.parametrize("lab", [["--profile", "plain", "--discard"]], indirect=True)
def test_discarded_mail_is_counted(lab: subprocess.Popen[str], tmp_path: Path):
    line = first_line(lab)
    ((_, address),) = line["domains"]["plain.test"]["hosts"]
    port = int(line["environment"]["SMTP_PORT"])
    with socket.create_connection((address, port), timeout=10) as client:
        client.sendall(
            b"EHLO client.mailweb.test\r\nMAIL FROM:<alice@mailweb.test>\r\n"
            b"RCPT TO:<bob@plain.test>\r\nDATA\r\nHello.\r\n.\r\nQUIT\r\n"
        )
        while client.recv(4096):
            pass
    status, out, err = stop(lab)
    assert (status, err) == (0, "")
    counted = {"connections": 1, "messages": 1, "recipients": 1, "octets": 8}
    assert json.loads(out) == {"summary": counted}
    assert not (tmp_path / "lab").exists()


def test_list_names_every_profile_with_its_sentence(tmp_path: Path):
    done = run("--list", data_dir=tmp_path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(PROFILES)
    assert lines[0].endswith(PROFILES["plain"].description)


def test_list_is_one_json_document_for_programs(tmp_path: Path):
    listed = json.loads(run("--list", "--json", data_dir=tmp_path).stdout)
    assert listed["dane"]["domain"] == "dane.test"


def test_an_unknown_profile_is_a_usage_error(tmp_path: Path):
    done = run("--profile", "nowhere", data_dir=tmp_path)
    assert done.returncode == 2
    assert "nowhere" in done.stderr


def test_a_port_that_is_taken_is_a_failure_with_a_sentence(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--profile", "pkix", "--sts-port", str(port), data_dir=tmp_path)
    assert done.returncode == 1
    assert "The lab could not start" in done.stderr
