"""Rules for templates: parts are named after their root, and nothing is inline."""

from __future__ import annotations

import re

from tests.house.tree import ROOT, TEMPLATES, name_of, offenders

COMMENT = re.compile(r"\{% comment %\}.*?\{% endcomment %\}|\{#.*?#\}", re.DOTALL)
PART = re.compile(r"\{% partialdef ([\w-]+)[^%]*%\}(.*?)\{% endpartialdef", re.DOTALL)
INCLUDE = re.compile(r'\s*\{% include "([^"]+)"')
ROOT_ID = re.compile(r'\s*<\w+[^>]*?\sid="([^"]*)"')
INLINE = re.compile(
    r"<style\b|\sstyle=|<script\b(?![^>]*\ssrc=)|\son\w+\s*=|javascript:|\shx-on", re.IGNORECASE
)


def root_id(part: str) -> str:
    """Return the id of the first element, in the template it includes if it does only that."""
    part = COMMENT.sub("", part)
    included = INCLUDE.match(part)
    if included:
        return root_id((ROOT / "templates" / included[1]).read_text(encoding="utf-8"))
    found = ROOT_ID.match(part)
    return found[1] if found else ""


def test_a_part_is_named_after_its_root() -> None:
    parts = [
        (name_of(path), name, root_id(part))
        for path in TEMPLATES
        for name, part in PART.findall(path.read_text(encoding="utf-8"))
    ]
    assert parts
    assert [found for found in parts if found[1] != found[2]] == []


def test_nothing_is_trusted_to_be_markup() -> None:
    assert offenders(TEMPLATES, re.compile(r"\|\s*safe\b|\{% autoescape off").search) == []


def test_script_and_style_come_from_files() -> None:
    assert offenders(TEMPLATES, lambda text: INLINE.search(COMMENT.sub("", text))) == []


def test_links_work_without_javascript() -> None:
    link = re.compile(r"<a\b(?=[^>]*\shx-(?:get|post)=)(?![^>]*\shref=)[^>]*>")
    assert offenders(TEMPLATES, link.search) == []
