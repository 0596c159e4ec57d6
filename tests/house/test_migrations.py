"""What every migration must leave behind, so that versions can be changed while mail is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField, AlterField, CreateModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.migrations.migration import Migration
    from django.db.models import Field

APPS = ("accounts", "delivery", "webmail")

Column = tuple[str, str, str]
"""App, model and field, as migrations write them."""


def _ours() -> list[Migration]:
    """Return the migrations, in the order in which they are applied."""
    loader = MigrationLoader(None)
    plan = loader.graph._generate_plan(loader.graph.leaf_nodes(), at_end=True)
    return [loader.get_migration(*key) for key in plan if key[0] in APPS]


def _added_later() -> Iterator[Column]:
    """Yield the columns whose tables are older than they are."""
    for migration in _ours():
        new = {one.name_lower for one in migration.operations if isinstance(one, CreateModel)}
        for one in migration.operations:
            if isinstance(one, AddField) and one.model_name_lower not in new:
                yield migration.app_label, one.model_name_lower, one.name


def _is_filled_in(field: Field[Any, Any] | None) -> bool:
    """Whether a row can be added without naming this column."""
    if field is None or field.null or field.many_to_many:
        return True
    # Without `default` as well, Django would leave its own new rows to the database too.
    return field.has_db_default() and field.has_default()


def test_columns_that_came_later_have_defaults_that_the_database_knows() -> None:
    # A process of the version before names only the columns that it knows when it adds a row.
    models = MigrationLoader(None).project_state().models
    now = [
        (column, models[column[:2]].fields.get(column[2]))
        for column in _added_later()
        if column[:2] in models
    ]
    assert len(now) > 20
    assert [column for column, field in now if not _is_filled_in(field)] == []


def _written(migration: Migration) -> Iterator[tuple[Column, Field[Any, Any]]]:
    """Yield every column that this migration says something about."""
    for one in migration.operations:
        if isinstance(one, CreateModel):
            for name, field in one.fields:
                yield (migration.app_label, one.name_lower, name), field
        elif isinstance(one, AddField | AlterField):
            yield (migration.app_label, one.model_name_lower, one.name), one.field


def test_no_column_that_could_be_empty_must_suddenly_have_a_value() -> None:
    # A process of the version before goes on to write NULL there.
    could_be_empty: dict[Column, bool] = {}
    narrowed = []
    for migration in _ours():
        for column, field in _written(migration):
            if could_be_empty.get(column) and not field.null:
                narrowed.append(column)
            could_be_empty[column] = field.null
    assert narrowed == []


def test_every_migration_can_be_undone() -> None:
    stuck = [
        str(migration)
        for migration in _ours()
        if not all(operation.reversible for operation in migration.operations)
    ]
    assert stuck == []
