"""Rules for Python that no linter knows."""

from __future__ import annotations

import ast
import re

from tests.house.tree import PROGRAM, PYTHON, offenders

MOST_LINES = 400


def test_every_module_says_what_it_is_for() -> None:
    assert offenders(PROGRAM, lambda text: not ast.get_docstring(ast.parse(text))) == []


def test_every_module_stays_short() -> None:
    assert offenders(PROGRAM, lambda text: text.count("\n") > MOST_LINES) == []


def test_work_is_started_through_the_queue_only() -> None:
    starts = re.compile(r"\.(delay|apply_async)\(")
    assert offenders(PROGRAM, starts.search) == ["mailweb/lib/queue.py"]


def test_no_test_is_skipped_but_for_want_of_a_server_or_of_root() -> None:
    skips = re.compile(r"pytest\.(mark\.)?(skip|xfail|importorskip)")
    assert offenders(PYTHON, skips.search) == ["tests/peers/servers/presence.py"]


def test_nothing_is_left_for_later() -> None:
    assert offenders(PYTHON, re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b").search) == []


def _makes_contexts_anew(text: str) -> bool:
    return any(
        "ssl.SSLContext(" in ast.unparse(function) and "lru_cache" not in ast.unparse(function)
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_no_context_for_tls_is_made_for_each_connection() -> None:
    # The default one takes 34 ms: it reads all authorities.
    senders = [path for path in PROGRAM if "lab" not in path.parts]
    assert offenders(PROGRAM, re.compile(r"create_default_context").search) == []
    assert offenders(senders, _makes_contexts_anew) == []
