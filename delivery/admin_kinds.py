"""What the operators' lists share: rows that are only looked at, times, words with a colour."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    AnyAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
else:
    AnyAdmin = admin.ModelAdmin
    AnyPaginator = Paginator


class ReadOnlyAdmin(AnyAdmin):
    """Rows that are looked at, never added, changed or deleted by hand."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds history."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes history."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes history here; retention is a command."""
        return False


class BoundedPaginator(AnyPaginator):
    """Counts no further than a person turns pages: a ledger of millions opens at once."""

    most = 5000

    @cached_property
    def count(self) -> int:
        """The number of rows, at most `most`."""
        return int(self.object_list[: self.most].count())  # type: ignore[attr-defined]


def copies(number: int, verb: str = "") -> str:
    """Return how many copies, with the verb ("are", "wait", "leave") as it goes with the number."""
    forms = {"are": "is", "wait": "waits", "leave": "leaves", "": ""}
    words = f"1 copy {forms[verb]}" if number == 1 else f"{number:,} copies {verb}"
    return words.rstrip()


def titled(title: str, kind: type[admin.FieldListFilter]) -> type[admin.FieldListFilter]:
    """Return a filter of this kind under a title for people, where the column's name is none."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        kind.__init__(self, *args, **kwargs)
        self.title = title

    return type(f"Titled{kind.__name__}", (kind,), {"__init__": __init__})


CHOICES, YES_OR_NO = admin.ChoicesFieldListFilter, admin.BooleanFieldListFilter


def moment(at: datetime | None) -> SafeString | str:
    """Return a time by the reader's clock, as short as it can be exact."""
    if at is None:
        return "–"
    local = timezone.localtime(at)
    shown = f"{local.day} {local:%b %H:%M}"
    if local.year != timezone.localtime().year:
        shown = f"{local.day} {local:%b %Y %H:%M}"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), at, shown)


def tag(text: str, kind: str = "") -> SafeString:
    """Return a word with the colour of a fact: yes, warn, bad, accent, or none."""
    return format_html('<span class="tag{}">{}</span>', f" tag--{kind}" if kind else "", text)


def first_line(text: str, most: int = 120) -> str:
    """Return the first line of a reply, shortened."""
    line = text.partition("\n")[0]
    return line if len(line) <= most else f"{line[: most - 1]}…"
