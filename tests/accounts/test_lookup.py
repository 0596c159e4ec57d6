from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from accounts.lookup import NoAnswerError, OperatorLookup

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = {
    ("mailweb.test.", "TXT"): '"v=spf1 " "mx -all"',
    ("mailweb.test.", "MX"): "10 mail.mailweb.test.",
}


def answer(query: dns.message.Message) -> dns.message.Message:
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    question = query.question[0]
    key = (question.name.to_text(), question.rdtype.name)
    if key in ZONE:
        reply.answer.append(dns.rrset.from_text(key[0], 60, "IN", key[1], ZONE[key]))
    elif question.name.to_text().startswith("broken."):
        reply.set_rcode(dns.rcode.SERVFAIL)
    elif question.name.to_text() != "mailweb.test.":
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


@pytest.fixture
def look_up() -> Iterator[OperatorLookup]:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                wire, client = server.recvfrom(2048)
                if wire == b"stop":
                    return
                server.sendto(answer(dns.message.from_wire(wire)).to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield OperatorLookup([f"127.0.0.1:{server.getsockname()[1]}"])
        with socket.socket(type=socket.SOCK_DGRAM) as stopper:
            stopper.sendto(b"stop", server.getsockname())
        thread.join()


def test_values_are_read_as_people_write_them(look_up):
    assert look_up("mailweb.test", "TXT") == ["v=spf1 mx -all"]
    assert look_up("mailweb.test", "MX") == ["10 mail.mailweb.test."]


def test_nothing_published_is_an_empty_answer(look_up):
    assert look_up("mailweb.test", "AAAA") == []
    assert look_up("_dmarc.mailweb.test", "TXT") == []


def test_a_failed_look_up_is_not_an_empty_answer(look_up):
    with pytest.raises(NoAnswerError, match=r"broken\.mailweb\.test"):
        look_up("broken.mailweb.test", "TXT")
