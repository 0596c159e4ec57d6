"""Letters and their files in templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template
from django.utils.html import format_html, format_html_join

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from mailweb.webmail.mime.text import Block, Piece

register = template.Library()


@register.filter
def size(size_bytes: int) -> str:
    """Return a size as people say it: 38 KB, 1.2 MB."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    amount, unit = size_bytes / 1000, "KB"
    if amount >= 1000:
        amount, unit = amount / 1000, "MB"
    return f"{amount:.1f} {unit}" if amount < 10 and unit == "MB" else f"{amount:.0f} {unit}"


@register.filter
def passage(block: Block) -> SafeString:
    """Return the text of a block, escaped, its links as links."""
    return format_html_join("", "{}", ((_piece(piece),) for piece in block.pieces))


def _piece(piece: Piece) -> SafeString | str:
    if not piece.href:
        return piece.text
    return format_html(
        '<a class="link" href="{}" target="_blank" rel="noopener noreferrer">{}</a>',
        piece.href,
        piece.text,
    )


@register.filter
def quote_class(block: Block) -> str:
    """Return the classes of a block: quotes are set back once per level, up to three."""
    quoted = f" letter-quote letter-quote--{min(block.depth, 3)}" if block.depth else ""
    return f"{quoted} letter-signature" if block.is_signature else quoted
