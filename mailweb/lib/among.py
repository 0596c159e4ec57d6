"""The lookup `among`: like `in`, with all values as one parameter of the statement.

`in` takes a placeholder for each value, and Django compiles, checks and binds each on its own. For
hundreds of keys that costs more than the database then needs to find them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import ForeignKey, IntegerField, Lookup
from django.db.models.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    AnyLookup = Lookup[Any]
else:
    AnyLookup = Lookup


@ForeignKey.register_lookup
@IntegerField.register_lookup
class Among(AnyLookup):
    """`pk__among=keys`, for whole numbers and for keys of other rows."""

    lookup_name = "among"

    def get_prep_lookup(self) -> list[int]:
        """Take any iterable of numbers."""
        return [int(key) for key in self.rhs]

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        """SQLite: values come out of a JSON array."""
        column, own = self.process_lhs(compiler, connection)
        values = "(SELECT value FROM json_each(%s))"
        return f"{column} IN {values}", (*own, json.dumps(self.rhs))

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        """PostgreSQL: an array."""
        column, own = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", (*own, self.rhs)
