"""HTML mail made harmless: an allow-list of tags, attributes and CSS; nothing is fetched unasked.

The result is shown in a sandboxed frame with its own policy (`policy`), so a hole here would
still meet a browser that runs no script and loads nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import unquote

import nh3

from mailweb.webmail.mime import text

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_STYLE = 4000
MAX_DATA_URL = 3 * 1024 * 1024


def _words(text: str) -> set[str]:
    return set(text.split())


_TAGS = _words(
    "a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup"
    " dd del details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i"
    " img ins kbd li main mark nav ol p pre q rp rt ruby s samp section small span strike strong"
    " sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr"
)
# Their content is not for people: without this, their text would be left over.
_REMOVED_WHOLE = _words(
    "applet audio canvas embed frameset iframe math noembed noframes noscript object script"
    " select style svg template textarea title video xmp"
)
_ATTRIBUTES = {
    "*": _words("align bgcolor border dir height lang style title valign width"),
    "a": {"href"},
    "col": {"span"},
    "colgroup": {"span"},
    "font": {"color", "face", "size"},
    "img": {"alt", "src"},
    "ol": {"start", "type"},
    "table": {"cellpadding", "cellspacing"},
    "td": {"colspan", "headers", "nowrap", "rowspan"},
    "th": {"colspan", "headers", "nowrap", "rowspan", "scope"},
    "ul": {"type"},
}
_PROPERTIES = _words(
    "background background-color border border-bottom border-bottom-color border-bottom-style"
    " border-bottom-width border-collapse border-color border-left border-left-color"
    " border-left-style border-left-width border-radius border-right border-right-color"
    " border-right-style border-right-width border-spacing border-style border-top"
    " border-top-color border-top-style border-top-width border-width caption-side clear color"
    " direction display empty-cells float font font-family font-size font-style font-variant"
    " font-weight height letter-spacing line-height list-style list-style-type margin"
    " margin-bottom margin-left margin-right margin-top max-height max-width min-height min-width"
    " opacity overflow overflow-wrap padding padding-bottom padding-left padding-right padding-top"
    " table-layout text-align text-decoration text-indent text-overflow text-transform"
    " vertical-align visibility white-space width word-break word-spacing word-wrap"
)
# No backslash, comment, brace, at-sign, colon or slash in a value: nothing to smuggle with.
_VALUE = re.compile(r"[A-Za-z0-9#%.,()'\" !+-]{1,300}")
_FUNCTION = re.compile(r"([A-Za-z-]*)\(")
_FUNCTIONS = frozenset({"rgb", "rgba", "hsl", "hsla"})
_NEGATIVE = re.compile(r"(?:^|[\s,(])-\s*[.\d]")
_PICTURE = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_BODY = re.compile(r"<(/?)body\b(?:[^<>]*?\bbgcolor\s*=\s*[\"']?(#?\w{1,20}))?", re.IGNORECASE)

_FRAME = (
    "<!doctype html>\n"
    '<html lang="und"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    "<title>Message</title><style>"
    "html{color-scheme:light;background:#fff}"
    "body{margin:0;padding:16px;font:16px/1.5 system-ui,sans-serif;color:#191c23;"
    "overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}img:not([src]){border:1px dashed #85837b;color:#62676f}"
    "table{max-width:100%}pre{white-space:pre-wrap}"
    "blockquote{margin:0 0 0 8px;padding-left:12px;border-left:2px solid #d8d5cc}"
    "a{color:#2b489b}"
    "</style></head><body>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """Harmless HTML, and how many pictures elsewhere it asked for."""

    html: str
    remote_pictures: int


def clean(html: str, *, allow_remote: bool, cid_urls: Mapping[str, str]) -> str:
    """Return the harmless part of `html`; see `examine`."""
    return examine(html, allow_remote=allow_remote, cid_urls=cid_urls).html


def examine(html: str, *, allow_remote: bool, cid_urls: Mapping[str, str]) -> Cleaned:
    """Clean `html` and count the remote pictures in it.

    `cid_urls` has the address of each part of the message by its Content-ID. Pictures
    elsewhere keep their address only if `allow_remote`, and then over HTTPS alone.
    """
    if text.is_excessive(html):
        return Cleaned(html=f"<pre>{escape(text.from_html(html))}</pre>", remote_pictures=0)
    pictures = _Pictures(allow_remote=allow_remote, cid_urls=cid_urls)
    cleaned = nh3.clean(
        _BODY.sub(_body_as_div, html),
        tags=_TAGS,
        clean_content_tags=_REMOVED_WHOLE,
        attributes=_ATTRIBUTES,
        attribute_filter=pictures.filtered,
        url_schemes={"http", "https", "mailto", "cid", "data"},
        set_tag_attribute_values={"a": {"target": "_blank"}},
        link_rel="noopener noreferrer",
    )
    return Cleaned(html=cleaned, remote_pictures=pictures.remote)


def document(cleaned: str) -> str:
    """Return the page for the sandboxed frame."""
    return f"{_FRAME}{cleaned}</body></html>\n"


def policy(*, parts_url: str, allow_remote: bool) -> str:
    """Return the Content-Security-Policy of that page. `parts_url`: where the message's parts are.

    The frame keeps its origin only so that the page around it can measure how tall it is and
    its own pictures are served; with scripts, forms and every load forbidden, nothing in it
    could make use of that.
    """
    remote = " https:" if allow_remote else ""
    return (
        "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox;"
        " default-src 'none'; style-src 'unsafe-inline';"
        f" img-src data: {parts_url}{remote};"
        " form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )


def _body_as_div(body: re.Match[str]) -> str:
    """Keep the body's own colours: a fragment has no body, and a div no `bgcolor`."""
    slash, colour = body.groups()
    kept = re.sub("(?i)^<body", "<div", body[0])
    return (
        "</div" if slash else f'<div style="background-color:{colour}">{kept}' if colour else kept
    )


class _Pictures:
    """Judges attributes, and counts the pictures elsewhere while doing so."""

    def __init__(self, *, allow_remote: bool, cid_urls: Mapping[str, str]) -> None:
        self.allow_remote = allow_remote
        self.cid_urls = {cid.lower(): url for cid, url in cid_urls.items()}
        self.remote = 0

    def filtered(self, tag: str, attribute: str, value: str) -> str | None:
        """Return the value an attribute may keep, or None to remove it."""
        if attribute == "style":
            return style(value) or None
        if attribute == "src":
            return self._source(value.strip())
        if attribute == "href":
            return value if _scheme(value) in {"http", "https", "mailto"} else None
        return value

    def _source(self, url: str) -> str | None:
        scheme = _scheme(url)
        if scheme == "cid":
            return self.cid_urls.get(unquote(url[4:]).lower())
        if scheme == "data":
            is_picture = len(url) <= MAX_DATA_URL and _PICTURE.fullmatch(url)
            return url if is_picture else None
        if scheme not in {"http", "https"} and not url.startswith("//"):
            return None
        self.remote += 1
        return f"https:{url[url.index('//') :]}" if self.allow_remote and "//" in url else None


def _scheme(url: str) -> str:
    return url.strip().partition(":")[0].lower()


def style(css: str) -> str:
    """Return the harmless declarations of a style attribute."""
    declarations = (_declaration(one) for one in css[:MAX_STYLE].split(";"))
    return ";".join(one for one in declarations if one)


def _declaration(css: str) -> str:
    name, _, value = css.partition(":")
    name, value = name.strip().lower(), value.strip()
    if name not in _PROPERTIES or not _VALUE.fullmatch(value):
        return ""
    functions = {found.lower() for found in _FUNCTION.findall(value)}
    is_balanced = value.count("'") % 2 == 0 and value.count('"') % 2 == 0
    if not functions <= _FUNCTIONS or not is_balanced:
        return ""
    if name.startswith(("margin", "text-indent")) and _NEGATIVE.search(value):
        return ""
    return f"{name}:{value}"
