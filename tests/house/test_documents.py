"""What is written for people stays true: the index of RFCs, the changelog, links, and privacy."""

from __future__ import annotations

import re

from tests.house.tree import PROGRAM, ROOT, name_of, offenders, tracked

CITED = re.compile(r"\bRFC ?(\d{3,5})\b")
INDEXED = re.compile(r"^\| (?:\[)?RFC (\d{3,5})\b", re.MULTILINE)
DOCUMENTS = tracked("*.md")
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)")
SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_every_standard_that_is_cited_is_in_the_index_once() -> None:
    index = INDEXED.findall((ROOT / "docs/rfc.md").read_text(encoding="utf-8"))
    sources = [*PROGRAM, *tracked("templates/*", "static/*.js", "static/*.css")]
    cited = {
        number for path in sources for number in CITED.findall(path.read_text(encoding="utf-8"))
    }
    assert cited - set(index) == set()
    assert len(index) == len(set(index))


def test_changelog_is_written_for_its_readers() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert re.fullmatch(r"## (Unreleased|\d+\.\d+\.\d+ \(\d{4}-\d{2}-\d{2}\))", versions[0])
    assert {line[4:] for line in lines if line.startswith("### ")} <= SECTIONS
    changes = [line for line in lines if line.startswith("- ")]
    assert changes
    assert [line for line in changes if not line.endswith(".")] == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        (name_of(path), target)
        for path in DOCUMENTS
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_no_path_of_one_machine_is_tracked() -> None:
    machine = re.compile(r"(?<![\w.])/(?:work|root|home|Users|opt)/\w")
    text = [path for path in tracked() if path.suffix not in {".png", ".ico", ".woff2", ".bin"}]
    assert offenders(text, machine.search) == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in tracked("docs/adr/*.md")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_setting_is_documented() -> None:
    settings = (ROOT / "mailweb/settings.py").read_text(encoding="utf-8")
    names = set(re.findall(r'\benv\.\w+\(\s*"(\w+)"', settings))
    documented = re.findall(
        r"^\| `(\w+)` ", (ROOT / "docs/configuration.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(names) == sorted(documented)


def test_every_dependency_of_ours_has_its_reason() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    chosen = re.findall(
        r"^([\w-]+)==", text.partition("# What those bring along.")[0], re.MULTILINE
    )
    reasons = (ROOT / "docs/adr/0002-dependencies.md").read_text(encoding="utf-8")
    missing = [
        name for name in chosen if name.removesuffix("-binary").removesuffix("-pool") not in reasons
    ]
    assert chosen
    assert missing == []


def test_scenarios_are_complete_and_name_tests_that_exist() -> None:
    text = (ROOT / "docs/scenarios.md").read_text(encoding="utf-8")
    scenarios, traps = text.split("## Traps")
    for part, last in ((scenarios, 30), (traps, 26)):
        numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", part, re.MULTILINE)]
        assert numbers == list(range(1, last + 1))
    named = re.findall(r"`(\S+\.py)::(\w+)`", text)
    assert named
    missing = [
        (path, name)
        for path, name in named
        if f"def {name}(" not in (ROOT / "tests" / path).read_text(encoding="utf-8")
    ]
    assert missing == []
