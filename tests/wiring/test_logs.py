from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from django.test import RequestFactory
from structlog.contextvars import bound_contextvars

from mailweb.lib import levels, logs
from tests.instance import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRETS = ("hunter2", "s3cr3t", "cafebabe", "Our quarterly figures", "dGVzdAB0ZXN0")


@contextmanager
def log(form: str, level: int = levels.TRACE) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """Return a logger of its own, and what it writes in that format."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.formatter_for(form))
    logger = logging.getLogger("tests.log")
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(level)
    try:
        yield logger, written
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


def test_json_has_one_object_a_line_with_all_that_is_bound() -> None:
    with log("json") as (logger, written), bound_contextvars(mail="3f2a91bc-77d0"):
        logger.info("copies %s", "left", extra={"copies": [1, 2], "host": "mx.test"})
    line = json.loads(written.getvalue())
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "tests.log",
        "event": "copies left",
        "copies": [1, 2],
        "host": "mx.test",
        "mail": "3f2a91bc-77d0",
    }


def test_logfmt_has_the_same_as_words() -> None:
    with log("logfmt") as (logger, written), bound_contextvars(mail="3f2a91bc-77d0"):
        logger.warning("no answer", extra={"copies": [1, 2], "a key": 'say "hi"'})
    line = written.getvalue().rstrip("\n").partition(" ")[2]
    assert line == (
        'level=warning logger=tests.log event="no answer" copies=1,2 a_key="say \\"hi\\""'
        " mail=3f2a91bc-77d0"
    )


def test_terminal_has_a_line_for_people() -> None:
    with log("console") as (logger, written):
        logger.error("no answer", extra={"host": "mx.test"})
    assert written.getvalue()[12:] == " error   tests.log: no answer host=mx.test\n"


@pytest.mark.parametrize("form", logs.FORMATS)
def test_words_of_others_never_begin_a_line_of_their_own(form: str) -> None:
    with log(form) as (logger, written):
        logger.info("said", extra={"answer": "550 no\r\nat=now level=error event=forged\x1b[2J"})
    text = written.getvalue()
    assert text.count("\n") == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("form", logs.FORMATS)
def test_secrets_do_not_show_whatever_they_are_called(form: str) -> None:
    with log(form) as (logger, written):
        logger.info(
            "log-in password=hunter2, Authorization: Bearer cafebabe.cafebabe",
            extra={
                "password": "hunter2",
                "new_password1": "hunter2",
                "session_key": "s3cr3t",
                "csrftoken": "cafebabe",
                "subject": "Our quarterly figures",
                "body": "Our quarterly figures",
                "headers": {"Cookie": "sessionid=s3cr3t", "Host": "mail.test"},
                "raw": b"Our quarterly figures",
                "why": "AUTH PLAIN dGVzdAB0ZXN0 refused at redis://user:hunter2@cache.test/0",
                "lines": ["Subject: Our quarterly figures"],
            },
        )
    text = written.getvalue()
    assert [secret for secret in SECRETS if secret in text] == []
    assert "cache.test" in text
    assert "mail.test" in text


@pytest.mark.parametrize("form", logs.FORMATS)
def test_tracebacks_have_no_variables_and_no_rows(form: str) -> None:
    def fail(password: str) -> None:
        values = f"DETAIL:  Failing row contains (7, {password}, Our quarterly figures)."
        raise ValueError(values)

    with log(form) as (logger, written):
        try:
            fail(SECRETS[0])
        except ValueError:
            logger.exception("broke")
    text = written.getvalue()
    assert "ValueError" in text
    assert "in fail" in text
    assert [secret for secret in SECRETS if secret in text] == []


def test_request_is_told_without_its_query() -> None:
    request = RequestFactory().get("/reset/", {"token": "s3cr3t"})
    with log("json") as (logger, written):
        logger.warning("Forbidden", extra={"request": request, "status_code": 403})
    line = json.loads(written.getvalue())
    assert (line["method"], line["path"], line["status_code"]) == ("GET", "/reset/", 403)
    assert "s3cr3t" not in written.getvalue()


def test_levels_below_debug_show_ever_more() -> None:
    assert levels.TRACEDATA < levels.TRACEAUTH < levels.TRACE < logging.DEBUG
    with pytest.raises(ValueError, match="LOG_LEVEL is one of"):
        levels.level("loud")
    with pytest.raises(ValueError, match="LOG_FORMAT is one of"):
        logs.configuration(level=levels.level("info"), form="xml", levels={})


SCRIPT = """
import logging, django
django.setup()
from celery.app.log import Logging
from mailweb.celery import app
Logging(app).setup(loglevel="WARNING", redirect_stdouts=False)
for name in ("django.request", "celery.worker", "daphne.server", "delivery.drain"):
    logging.getLogger(name).warning("said")
logging.getLogger("delivery.drain").info("quiet")
logging.getLogger("django.db.backends").debug("SELECT secret")
"""


@pytest.mark.parametrize(("level", "quiet"), [("info", 1), ("warning", 0), ("tracedata", 1)])
def test_everybody_logs_the_same_way_in_a_worker_too(
    level: str, quiet: int, tmp_path: object
) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "mailweb.settings",
        "DATA_DIR": str(tmp_path),
        "LOG_FORMAT": "json",
        "LOG_LEVEL": level,
        "MAIL_HOSTNAME": "mail.mailweb.test",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=CHECKOUT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    said = [line["logger"] for line in lines if line["event"] == "said"]
    assert said == ["django.request", "celery.worker", "daphne.server", "delivery.drain"]
    assert [line["event"] for line in lines].count("quiet") == quiet
    assert "SELECT" not in done.stderr
