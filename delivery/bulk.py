"""Adding many rows at once, as fast as the database's own driver can.

The ledger grows with every message. `bulk_create` takes each value of each row through its
field and its SQL compiler, which costs more than sending the message did. Here the fields are
asked once how they store a value, and the rows go to the driver as they are: COPY on
PostgreSQL, `executemany` on SQLite.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, models


def add(model: type[models.Model], rows: Sequence[dict[str, Any]]) -> None:
    """Add `rows`: values by the attribute names of their columns, every row with the same ones.

    To be called inside a transaction. Values are not validated, defaults are not filled in. `rows`
    must hold what it holds until the end: a JSON value that rows share is written only once.
    """
    if not rows:
        return
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    fields = [by_name[name] for name in rows[0]]
    once = _json_once()
    stored = [
        once if kind == "JSONField" else _stored_as(connection.vendor, kind)
        for kind in (field.get_internal_type() for field in fields)
    ]
    table = connection.ops.quote_name(model._meta.db_table)
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    prepared = (
        [
            convert(value) if convert else value
            for convert, value in zip(stored, row.values(), strict=True)
        ]
        for row in rows
    )
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for values in prepared:
                    copy.write_row(values)
        else:
            marks = ", ".join(["%s"] * len(fields))
            insert = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608
            cursor.executemany(insert, list(prepared))


def reserve_keys(model: type[models.Model], number: int) -> Iterable[int]:
    """Return `number` primary keys that nobody else will use, for rows to be added by `add`.

    On SQLite they are reserved until the current transaction ends, which is the only writer.
    """
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [table, number],
            )
            return [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        last = cursor.fetchone()
    first = (last[0] if last else 0) + 1
    return range(first, first + number)


@cache
def _stored_as(vendor: str, kind: str) -> Callable[[Any], Any] | None:
    """Return what turns a value of a field of this kind into what the driver takes, if anything."""
    if kind in ("CharField", "TextField"):
        return _plain_text
    if vendor == "sqlite" and kind == "DateTimeField":
        return connection.ops.adapt_datetimefield_value
    if vendor == "sqlite" and kind == "UUIDField":
        return _hex
    return None


def _plain_text(value: str | None) -> str | None:
    """Members of a StrEnum are text to us, something else to a driver."""
    return value if value is None or type(value) is str else str(value)


def _json_once() -> Callable[[Any], str | None]:
    """Return what writes a value as JSON, once for all rows that share the object."""
    written: dict[int, str] = {}

    def as_json(value: Any) -> str | None:
        if value is None:
            return None
        text = written.get(id(value))
        if text is None:
            text = written[id(value)] = json.dumps(value)
        return text

    return as_json


def _hex(value: UUID | None) -> str | None:
    return None if value is None else value.hex
