from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(path.relative_to(CORPUS) for path in CORPUS.glob("*/*.bin"))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_input_holds_what_its_target_promises(path: Path):
    TARGETS[path.parts[0]]((CORPUS / path).read_bytes())


def test_every_target_has_inputs():
    assert {path.parts[0] for path in FILES} == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_at_all_is_an_input_too(target: str):
    TARGETS[target](b"")
