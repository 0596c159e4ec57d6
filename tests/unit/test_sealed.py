from __future__ import annotations

import pytest

from mailweb.lib.sealed import BrokenSealError, seal, unseal

SECRET = b"nobody must read this"


def test_what_was_sealed_is_opened_again():
    sealed = seal(SECRET, purpose="a test")
    assert unseal(sealed, purpose="a test") == SECRET
    assert SECRET not in sealed
    assert seal(SECRET, purpose="a test") != sealed


def test_it_is_not_opened_for_another_purpose():
    with pytest.raises(BrokenSealError):
        unseal(seal(SECRET, purpose="a test"), purpose="another")


@pytest.mark.parametrize("change", [lambda old: old[:-1], lambda old: old[:40] + b"A" + old[41:]])
def test_it_is_not_opened_after_it_was_changed(change):
    with pytest.raises(BrokenSealError):
        unseal(change(seal(SECRET, purpose="a test")), purpose="a test")


def test_it_is_not_opened_with_another_secret_key_but_with_the_one_before(settings):
    sealed = seal(SECRET, purpose="a test")
    before, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    with pytest.raises(BrokenSealError):
        unseal(sealed, purpose="a test")
    settings.SECRET_KEY_FALLBACKS = [before]
    assert unseal(sealed, purpose="a test") == SECRET
