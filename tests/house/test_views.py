"""Every view of our own keeps the door shut and knows its methods, also one that is added later."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

OWN = {"accounts", "webmail"}
FOR_EVERYBODY = {"accounts:login", "accounts:logout"}
SAMPLES = {"uuid": uuid.UUID(int=7), "int": 7, "slug": "inbox", "str": "x", "form": "csv"}


def own_urls(patterns: list[Any], namespace: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name of each view, and a URL of it that leads to nothing."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver) and pattern.namespace in {None, *OWN}:
            yield from own_urls(pattern.url_patterns, pattern.namespace or "")
        elif isinstance(pattern, URLPattern) and namespace:
            name = f"{namespace}:{pattern.name}"
            yield name, reverse(name, kwargs=arguments_of(pattern))


def arguments_of(pattern: URLPattern) -> dict[str, object]:
    kinds = {
        name: type(converter).__name__.removesuffix("Converter").replace("String", "Str").lower()
        for name, converter in pattern.pattern.converters.items()
    }
    named = kinds or {name: name for name in pattern.pattern.regex.groupindex}
    return {name: SAMPLES[kind] for name, kind in named.items()}


URLS = dict(own_urls(get_resolver().url_patterns))


def test_views_were_found() -> None:
    assert URLS.keys() >= FOR_EVERYBODY
    assert "webmail:mailbox" in URLS


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(URLS.keys() - FOR_EVERYBODY))
def test_stranger_is_sent_to_the_log_in(client: Client, name: str) -> None:
    for response in (client.get(URLS[name]), client.post(URLS[name])):
        is_refused = response.status_code == 405
        assert is_refused or response.headers["Location"].startswith(reverse("accounts:login"))


@pytest.mark.parametrize("name", sorted(URLS))
def test_view_takes_only_the_methods_it_names(as_alice: Client, name: str) -> None:
    assert as_alice.put(URLS[name]).status_code == 405
