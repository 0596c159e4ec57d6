"""Mail text as people read it: unflowed, cut into paragraphs and quotes, links found.

Nothing here makes HTML; what shows these values escapes them.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import nh3

MAX_TAGS = 16_000
MAX_WORDS = 8_000
MAX_SLASHES = 20_000

_SEPARATOR = re.compile(r"[\s\"'=]")
_TAG = re.compile(r"<[^<>]*>")
_BREAKS = re.compile(
    r"(?i)<(?:/?(?:p|div|h[1-6]|ul|ol|table|blockquote|tr|pre)|br|hr|li)\b[^<>]{0,2000}>"
)
_UNREAD = {"script", "style", "title", "head", "template", "noscript", "textarea", "select", "svg"}
_LINK = re.compile(
    r"\b(?:https?://|mailto:|www\.)[^\s<>\"'`{}|\\^\u2028\u2029]{2,1500}", re.IGNORECASE
)
_TRAILING = ".,;:!?*_~'\"\u201d\u2019\u00bb"
_QUOTE = re.compile(r"(?:[ ]?>)+[ ]?")
_BLANKS = re.compile(r"[^\S\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A run of text; `href` is set if it is a link."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines that belong together: a paragraph, or what was quoted `depth` times."""

    pieces: tuple[Piece, ...]
    depth: int = 0
    is_signature: bool = False


def is_excessive(markup: str) -> bool:
    """Tell whether an HTML parser could be kept busy for long with this.

    Parsers walk over all open elements at each tag, and over all attributes at each attribute.
    """
    segments = markup.split("<")
    return len(segments) > MAX_TAGS or any(
        len(segment) > MAX_WORDS
        and (len(_SEPARATOR.findall(segment)) > MAX_WORDS or segment.count("/") > MAX_SLASHES)
        for segment in segments
    )


def from_html(markup: str) -> str:
    """Return the readable text of HTML, with its line breaks and nothing else of its form."""
    broken = _BREAKS.sub(lambda tag: "\n" + tag[0], _BLANKS.sub(" ", markup.replace("\n", " ")))
    if is_excessive(markup):
        tagless = _TAG.sub("", broken)
    else:
        tagless = nh3.clean(broken, tags=set(), clean_content_tags=_UNREAD)
    bare = html.unescape(tagless)
    lines = (_BLANKS.sub(" ", line).strip() for line in bare.replace("\xa0", " ").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def unflowed(text: str, *, del_space: bool) -> str:
    """Join the lines of RFC 3676 `format=flowed` that were cut only for the way."""
    lines: list[list[str]] = []
    depth_before, is_open = 0, False
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        body = line[depth:].removeprefix(" ")
        if not (is_open and depth == depth_before and body != "-- "):
            lines.append([">" * depth + (" " if depth else "")])
        is_open = body.endswith(" ") and body != "-- "
        lines[-1].append(body[:-1] if is_open and del_space else body)
        depth_before = depth
    return "\n".join("".join(pieces) for pieces in lines)


def blocks(text: str) -> tuple[Block, ...]:
    """Cut text into paragraphs and quotes. Everything below "-- " is the signature."""
    found: list[Block] = []
    gathered: list[str] = []
    depth = 0
    is_signature = False

    def close() -> None:
        content = "\n".join(gathered).rstrip()
        if content:
            found.append(Block(pieces=pieces(content), depth=depth, is_signature=is_signature))
        gathered.clear()

    for line in text.split("\n"):
        quote = _QUOTE.match(line)
        level = quote[0].count(">") if quote else 0
        if level != depth or not line[quote.end() if quote else 0 :].strip():
            close()
        depth = level
        if line.rstrip() == "--" and not level:
            close()
            is_signature = True
            continue
        if gathered or line[quote.end() if quote else 0 :].strip():
            gathered.append(line[quote.end() :] if quote else line)
    close()
    return tuple(found)


def pieces(text: str) -> tuple[Piece, ...]:
    """Cut text into plain runs and links to the web or to an address."""
    found: list[Piece] = []
    end = 0
    for match in _LINK.finditer(text):
        link = _trimmed(match[0])
        if match.start() > end:
            found.append(Piece(text=text[end : match.start()]))
        href = f"https://{link}" if link.lower().startswith("www.") else link
        found.append(Piece(text=link, href=href))
        end = match.start() + len(link)
    if end < len(text):
        found.append(Piece(text=text[end:]))
    return tuple(found)


def _trimmed(link: str) -> str:
    """Take off the punctuation of the sentence around a link."""
    while link and (link[-1] in _TRAILING or _is_unopened(link)):
        link = link[:-1]
    return link


def _is_unopened(link: str) -> bool:
    """Tell whether the link ends in a bracket that was opened before it."""
    opening = {")": "(", "]": "[", ">": "<"}.get(link[-1])
    return opening is not None and link.count(opening) < link.count(link[-1])


def snippet(text: str, *, limit: int = 200) -> str:
    """Return the first new words of a message: no quotes, no signature, one line."""
    words: list[str] = []
    length = 0
    for line in text[: 20 * limit].split("\n"):
        if line.rstrip() == "--" and words:
            break
        if line.lstrip().startswith(">") or not line.strip():
            continue
        words.extend(line.split())
        length += len(line)
        if length > limit:
            break
    joined = " ".join(words)
    return joined if len(joined) <= limit else joined[: limit - 1].rstrip() + "…"
