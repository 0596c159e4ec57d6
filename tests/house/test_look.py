from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSS = ROOT / "static" / "css"
SHEETS = sorted(CSS.rglob("*.css"))
MODULES = sorted((ROOT / "static" / "js").rglob("*.js"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# What may stand before a class in a selector: nothing that names a tag or an id.
SELECTOR = re.compile(r"([^{}]+)\{")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def block(sheet: str, start: str) -> list[str]:
    inside = sheet[sheet.index(start) + len(start) :]
    return [line.strip() for line in inside[: inside.index("}")].splitlines() if line.strip()]


def test_dark_is_the_same_for_the_system_and_for_a_choice():
    sheet = COMMENT.sub("", (CSS / "tokens.css").read_text())
    asked = block(sheet, ':root:not([data-theme="light"]) {')
    chosen = block(sheet, ':root[data-theme="dark"] {')
    assert asked == chosen
    assert len(chosen) > 20


def test_dark_names_no_token_that_light_does_not_have():
    sheet = COMMENT.sub("", (CSS / "tokens.css").read_text())
    light = {line.split(":")[0] for line in block(sheet, ":root {")}
    dark = {line.split(":")[0] for line in block(sheet, ':root[data-theme="dark"] {')}
    assert dark <= light


@pytest.mark.parametrize("sheet", SHEETS, ids=name_of)
def test_a_style_sheet_says_what_it_is_and_stays_short(sheet: Path):
    text = sheet.read_text()
    assert text.startswith("/* ")
    assert text.count("\n") < 400


@pytest.mark.parametrize("sheet", SHEETS, ids=name_of)
def test_a_style_sheet_selects_by_class(sheet: Path):
    rules = COMMENT.sub("", sheet.read_text())
    rules = re.sub(r"@keyframes[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", rules)
    for found in SELECTOR.findall(rules):
        selector = found.strip().rsplit(";", 1)[-1].strip()
        if selector.startswith("@"):
            continue
        plain = re.sub(r"\[[^\]]*\]|::?[\w-]+", "", selector)
        words = re.findall(r"(?<![\w.#-])[a-z][\w-]*|#[\w-]+", plain)
        assert words == [], selector


@pytest.mark.parametrize("sheet", SHEETS, ids=name_of)
def test_colours_come_from_tokens(sheet: Path):
    if sheet.name == "tokens.css":
        return
    colours = set(re.findall(r"#[0-9a-f]{3,8}\b(?![\w\"-])", COMMENT.sub("", sheet.read_text())))
    # White paper under foreign mail and under a code to be scanned, in any theme.
    assert colours <= {"#ffffff"}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_says_what_it_is_and_stays_short(module: Path):
    text = module.read_text()
    assert text.startswith("//")
    assert text.count("\n") <= 100


def test_every_drawing_that_is_used_is_in_the_sprite():
    sprite = (ROOT / "templates" / "components" / "sprite.html").read_text()
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    used = {
        (name_of(path), name)
        for path in TEMPLATES
        for name in re.findall(r'<use href="#([\w-]+)"', path.read_text())
    }
    assert used
    assert {(where, name) for where, name in used if name not in drawn} == set()


def test_no_drawing_is_in_the_sprite_twice():
    sprite = (ROOT / "templates" / "components" / "sprite.html").read_text()
    names = re.findall(r'<symbol id="([\w-]+)"', sprite)
    assert len(names) == len(set(names))
