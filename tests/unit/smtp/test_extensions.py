from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.smtp import Extensions, Limits, Mail, Reply, Vrfy
from delivery.smtp.extensions import lacks_smtputf8, missing_for


def announced(*keywords: str) -> Extensions:
    return Extensions.from_reply(Reply(250, None, ("mx.dane.test", *keywords)))


def test_everything_a_server_can_announce():
    extensions = Extensions.from_reply(
        Reply(
            250,
            None,
            (
                "mx.dane.test Good morning",
                "pipelining",
                "SIZE 1000",
                "8BITMIME",
                "SMTPUTF8 ignored",
                "STARTTLS",
                "REQUIRETLS",
                "ENHANCEDSTATUSCODES",
                "CHUNKING",
                "DSN",
                "AUTH plain LOGIN",
                "AUTH SCRAM-SHA-256 PLAIN",
                "LIMITS RCPTMAX=10 mailmax=2 RCPTDOMAINMAX=1 OTHER=x",
                "",
                "X-Own 1 2",
            ),
        )
    )
    assert extensions == Extensions(
        hostname="mx.dane.test",
        greeting="Good morning",
        pipelining=True,
        size=1000,
        eightbitmime=True,
        smtputf8=True,
        starttls=True,
        requiretls=True,
        enhanced_status_codes=True,
        chunking=True,
        dsn=True,
        auth=("PLAIN", "LOGIN", "SCRAM-SHA-256"),
        limits=Limits(rcptmax=10, mailmax=2, rcptdomainmax=1),
        other=("X-Own 1 2",),
    )


def test_nothing_announced_is_nothing_known():
    assert Extensions.from_reply(Reply(250)) == Extensions()


@pytest.mark.parametrize(
    ("keyword", "size"),
    [
        ("SIZE", 0),
        ("SIZE 0", 0),
        ("SIZE 5", 5),
        ("SIZE many", 0),
        ("SIZE 1 2", 0),
        ("SIZE \u0665", 0),
        ("SIZE -5", 0),
        ("SIZE " + "9" * 20, 99999999999999999999),
        ("SIZE " + "9" * 5000, 0),
    ],
)
def test_size_may_be_announced_without_a_limit(keyword, size):
    assert announced(keyword).size == size


def test_size_limits_only_where_there_is_a_limit():
    assert announced("SIZE 10").takes_size(10)
    assert not announced("SIZE 10").takes_size(11)
    assert announced("SIZE 0").takes_size(10**12)
    assert announced().takes_size(10**12)


@pytest.mark.parametrize(
    ("keywords", "limits"),
    [
        (("LIMITS RCPTMAX=1",), Limits(rcptmax=1)),
        (("LIMITS RCPTMAX=0007",), Limits(rcptmax=7)),
        (("LIMITS RCPTMAX=999999",), Limits(rcptmax=999999)),
        (("LIMITS RCPTMAX=1000000 MAILMAX=3",), Limits(mailmax=3)),
        (("LIMITS RCPTMAX=0 MAILMAX=3",), Limits(mailmax=3)),
        (("LIMITS RCPTMAX=x MAILMAX=3",), Limits(mailmax=3)),
        (("LIMITS",), Limits()),
        (("LIMITS RCPTMAX",), Limits()),
        (("LIMITS RCPTMAX= MAILMAX=3",), Limits()),
        (("LIMITS RCPTMAX=1; MAILMAX=3",), Limits()),
        (("LIMITS RCPT.MAX=1 MAILMAX=3",), Limits()),
        (("LIMITS MAILMAX=3 RCPTMAX=1 RCPTMAX=2",), Limits()),
        (("LIMITS RCPTMAX=1 rcptmax=1",), Limits()),
        (("LIMITS RCPTMAX=1", "LIMITS MAILMAX=3"), Limits()),
    ],
)
def test_one_error_spoils_all_limits(keywords, limits):
    assert announced(*keywords).limits == limits


keywords = st.builds(
    Extensions,
    hostname=st.just("mx.dane.test"),
    greeting=st.sampled_from(["", "hello there"]),
    size=st.none() | st.integers(0, 10**9),
    pipelining=st.booleans(),
    eightbitmime=st.booleans(),
    smtputf8=st.booleans(),
    starttls=st.booleans(),
    requiretls=st.booleans(),
    enhanced_status_codes=st.booleans(),
    chunking=st.booleans(),
    dsn=st.booleans(),
    auth=st.sampled_from([(), ("PLAIN",), ("SCRAM-SHA-256", "PLAIN")]),
    limits=st.builds(
        Limits,
        rcptmax=st.none() | st.integers(1, 999999),
        mailmax=st.none() | st.integers(1, 999999),
        rcptdomainmax=st.none() | st.integers(1, 999999),
    ),
    other=st.sampled_from([(), ("HELP",), ("VRFY", "X-OWN 1")]),
)


@given(keywords)
def test_what_a_server_announces_is_what_a_client_reads(extensions):
    assert Extensions.from_reply(extensions.to_reply()) == extensions


@given(st.lists(st.text(st.characters(exclude_characters="\r\n\0"), max_size=40), max_size=5))
def test_no_announcement_is_too_odd_to_read(lines):
    assert announced(*lines).pipelining in (True, False)


def test_commands_without_parameters_need_nothing():
    assert missing_for(Vrfy("bob"), Extensions()) is None
    assert not lacks_smtputf8(Vrfy("\u00e9"), None)


def test_null_sender_needs_no_smtputf8():
    assert not lacks_smtputf8(Mail(""), None)
