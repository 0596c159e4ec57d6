from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.sasl import (
    DEFAULT_MECHANISMS,
    ChannelBinding,
    Choice,
    Credentials,
    Mechanism,
    Refusal,
    choose,
    known,
)

PASSWORD = Credentials(username="alice", secret="wonderland")
TOKEN = Credentials(username="alice", token="tea")
BOTH = Credentials(username="alice", secret="wonderland", token="tea")
EVERY = tuple(Mechanism)
BINDINGS = (ChannelBinding("tls-exporter", b"1"), ChannelBinding("tls-server-end-point", b"2"))
M = Mechanism


def chosen(offered, credentials=PASSWORD, *, is_tls=True, bindings=BINDINGS, **more):
    return choose(
        offered=offered.split(), credentials=credentials, is_tls=is_tls, bindings=bindings, **more
    )


@pytest.mark.parametrize(
    ("offered", "name"),
    [
        ("LOGIN PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS", M.SCRAM_SHA_256_PLUS),
        ("SCRAM-SHA-1-PLUS SCRAM-SHA-256", M.SCRAM_SHA_256),
        ("SCRAM-SHA-1 SCRAM-SHA-1-PLUS CRAM-MD5", M.SCRAM_SHA_1_PLUS),
        ("CRAM-MD5 SCRAM-SHA-1", M.SCRAM_SHA_1),
        ("PLAIN XOAUTH2 CRAM-MD5", M.CRAM_MD5),
        ("plain xoauth2", M.XOAUTH2),
        ("LOGIN PLAIN GSSAPI", M.PLAIN),
        ("LOGIN SCRAM-SHA-512", M.LOGIN),
    ],
)
def test_the_strongest_is_taken(offered: str, name: Mechanism):
    choice = chosen(offered, BOTH, allowed=EVERY)
    assert isinstance(choice, Choice)
    assert choice.mechanism is name


@pytest.mark.parametrize("name", [M.PLAIN, M.LOGIN])
def test_the_open_ones_are_taken_only_if_an_operator_says_so(name: Mechanism):
    assert name not in DEFAULT_MECHANISMS
    assert chosen(name) is Refusal.NONE_IN_COMMON


@pytest.mark.parametrize(
    ("offered", "more", "refusal"),
    [
        ("", {}, Refusal.NOT_OFFERED),
        ("GSSAPI", {}, Refusal.NONE_IN_COMMON),
        ("XOAUTH2", {}, Refusal.NONE_IN_COMMON),
        ("SCRAM-SHA-256", {"credentials": TOKEN}, Refusal.NONE_IN_COMMON),
        ("PLAIN LOGIN", {"allowed": EVERY, "is_tls": False}, Refusal.NEEDS_TLS),
        ("XOAUTH2", {"credentials": TOKEN, "is_tls": False}, Refusal.NEEDS_TLS),
        ("SCRAM-SHA-256-PLUS", {"is_tls": False}, Refusal.CANNOT_BIND),
        ("SCRAM-SHA-256-PLUS", {"bindings": ()}, Refusal.CANNOT_BIND),
        ("SCRAM-SHA-1-PLUS", {"allowed": [M.SCRAM_SHA_256]}, Refusal.NONE_IN_COMMON),
    ],
)
def test_why_there_is_none(offered: str, more, refusal: Refusal):
    assert chosen(offered, **more) is refusal


@pytest.mark.parametrize(
    ("offered", "more", "hides"),
    [
        ("SCRAM-SHA-256 PLAIN", {}, True),
        ("SCRAM-SHA-1", {}, True),
        ("SCRAM-SHA-256", {"bindings": ()}, False),
        ("SCRAM-SHA-256", {"is_tls": False}, False),
        ("SCRAM-SHA-256", {"allowed": [M.SCRAM_SHA_256]}, False),
        ("SCRAM-SHA-256", {"allowed": [M.SCRAM_SHA_256, M.SCRAM_SHA_1_PLUS]}, False),
        # It does bind, only not with this hash: it would have to break off.
        ("SCRAM-SHA-256 SCRAM-SHA-1-PLUS", {}, False),
        ("CRAM-MD5", {}, False),
    ],
)
def test_who_is_told_that_we_could_have_bound(offered: str, more, hides: bool):
    choice = chosen(offered, **more)
    assert isinstance(choice, Choice)
    assert choice.hides_binding is hides
    assert choice.bindings == (BINDINGS[:1] if hides else ())


def test_a_bound_log_in_knows_all_kinds():
    choice = chosen("SCRAM-SHA-256-PLUS")
    assert choice == Choice(mechanism=M.SCRAM_SHA_256_PLUS, bindings=BINDINGS)


@pytest.mark.parametrize(
    ("pinned", "offered", "more", "found"),
    [
        (M.SCRAM_SHA_256_PLUS, "SCRAM-SHA-256", {}, Refusal.WEAKER),
        (M.SCRAM_SHA_256_PLUS, "SCRAM-SHA-256-PLUS", {"bindings": ()}, Refusal.CANNOT_BIND),
        (M.SCRAM_SHA_256, "SCRAM-SHA-1-PLUS", {}, Refusal.WEAKER),
        (M.SCRAM_SHA_256, "SCRAM-SHA-256", {}, M.SCRAM_SHA_256),
        (M.SCRAM_SHA_256, "SCRAM-SHA-256-PLUS", {}, M.SCRAM_SHA_256_PLUS),
        (M.CRAM_MD5, "PLAIN", {"allowed": EVERY}, Refusal.WEAKER),
        # An operator who allows nothing stronger wants just that.
        (M.SCRAM_SHA_256, "PLAIN", {"allowed": [M.PLAIN, M.LOGIN]}, M.PLAIN),
        (M.SCRAM_SHA_256, "LOGIN", {"allowed": [M.PLAIN, M.LOGIN]}, Refusal.WEAKER),
        # A pin that was made with a password says nothing about a token.
        (M.SCRAM_SHA_256, "XOAUTH2", {"credentials": TOKEN}, M.XOAUTH2),
    ],
)
def test_nothing_weaker_than_the_pinned_one_will_do(pinned, offered: str, more, found):
    choice = chosen(offered, pinned=pinned, **more)
    assert (choice.mechanism if isinstance(choice, Choice) else choice) is found


@given(
    st.sets(st.sampled_from(EVERY)),
    st.sets(st.sampled_from(EVERY)),
    st.booleans(),
    st.sampled_from([(), BINDINGS]),
    st.none() | st.sampled_from(EVERY),
    st.sampled_from([PASSWORD, TOKEN, BOTH]),
)
def test_what_is_chosen_is_offered_allowed_and_safe(
    offered, allowed, is_tls, bindings, pinned, who
):
    choice = choose(
        offered=offered,
        credentials=who,
        is_tls=is_tls,
        allowed=sorted(allowed, key=lambda one: one.value),
        bindings=bindings,
        pinned=pinned,
    )
    if isinstance(choice, Refusal):
        return
    name = choice.mechanism
    assert name in offered & allowed
    assert is_tls or not name.reveals
    assert bool(choice.bindings) == (name.binds or choice.hides_binding)
    if pinned is not None and name.rank > pinned.rank:
        better = [one for one in allowed if pinned.rank <= one.rank < name.rank]
        assert all((one.reveals and not who.token) or not who.secret for one in better)
    assert choice.start(who, nonce="n" * 24, binding=next(iter(choice.bindings), None)).name is name


def test_names_are_known_in_any_letters():
    assert known(["plain", "Scram-Sha-256", "GSSAPI"]) == (M.SCRAM_SHA_256, M.PLAIN)
