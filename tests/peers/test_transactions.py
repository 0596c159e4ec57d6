"""Dialogues: what each reply means for each recipient, pipelined or not."""

from __future__ import annotations

import itertools

import pytest

from delivery.policy.outcome import Result, Scope
from tests.fakes.smtp_server import Reply, Say, SmtpServer
from tests.peers.conftest import CONTENT, Net, outcomes_of

PIPELINED = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")
STEP_BY_STEP = ("8BITMIME", "ENHANCEDSTATUSCODES")
BOTH_WAYS = pytest.mark.parametrize(
    "announces",
    [pytest.param(PIPELINED, id="pipelined"), pytest.param(STEP_BY_STEP, id="stepwise")],
)
ALICE, BOB, CHARLIE = (f"{name}@d.test" for name in ("alice", "bob", "charlie"))


def rcpt(address: str) -> str:
    return f"RCPT TO:<{address}>"


@BOTH_WAYS
async def test_message_is_delivered(net: Net, announces: tuple[str, ...]):
    server = await net.serve(SmtpServer(announces=announces))
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.code, outcome.enhanced) == (Result.DELIVERED, 250, "2.0.0")
    assert outcome.reply == "250 2.0.0 taken"
    assert server.contents == [CONTENT]
    (attempt,) = report.attempts
    assert (attempt.host, attempt.address) == ("mx.d.test", "127.0.0.1")
    assert attempt.results == report.results


async def test_everything_before_the_content_goes_out_in_one_write(net: Net):
    server = await net.serve(SmtpServer({"MAIL": Say(then="silence")}))
    net.time_scale = 0.001
    report = await net.send(ALICE, BOB)
    assert server.conversations[0].verbs == ["EHLO", "MAIL"]
    sent = [line for line in report.attempts[0].transcript.splitlines() if line.startswith("C: ")]
    assert sent[1:] == [
        "C: MAIL FROM:<alice@mailweb.test> BODY=7BIT",
        "C: RCPT TO:<alice@d.test>",
        "C: RCPT TO:<bob@d.test>",
        "C: DATA",
    ]


@BOTH_WAYS
@pytest.mark.parametrize("then", ["", "close", "reset"])
async def test_550_to_mail_is_final_however_the_connection_ends(
    net: Net, announces: tuple[str, ...], then: str
):
    # Scenario 1: blocklists answer MAIL and close or reset at once.
    reply = "550-5.7.1 You are listed\n550 5.7.1 see blocklist.test"
    await net.serve(SmtpServer({"MAIL": Say(reply, then)}, announces=announces))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope, outcome.code) == (Result.FAILED, Scope.MESSAGE, 550)
    assert (outcome.enhanced, outcome.reply) == ("5.7.1", reply)


@BOTH_WAYS
@pytest.mark.parametrize("then", ["", "close", "reset"])
async def test_554_to_the_only_recipient_is_final_however_the_connection_ends(
    net: Net, announces: tuple[str, ...], then: str
):
    # Scenario 2.
    await net.serve(SmtpServer({"RCPT": Say("554 5.7.1 no", then)}, announces=announces))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope, outcome.code) == (Result.FAILED, Scope.RECIPIENT, 554)


@BOTH_WAYS
@pytest.mark.parametrize("too_many", ["452 too many", "452 4.5.3 too many", "451 4.5.3 too many"])
async def test_three_recipients_three_fates(net: Net, announces: tuple[str, ...], too_many: str):
    # Scenario 3: 250, 550 and 452; the last one is tried again in the same session. 451 4.5.3 is
    # what OpenSMTPD says instead.
    server = await net.serve(
        SmtpServer(
            {
                rcpt(BOB): "550-5.1.1 no such\n550 5.1.1 mailbox",
                rcpt(CHARLIE): [too_many, "250 ok"],
            },
            announces=announces,
        )
    )
    report = await net.send(ALICE, BOB, CHARLIE)
    taken, refused, later = outcomes_of(report)
    assert (taken.result, later.result) == (Result.DELIVERED, Result.DELIVERED)
    assert (refused.result, refused.reply) == (
        Result.FAILED,
        "550-5.1.1 no such\n550 5.1.1 mailbox",
    )
    assert len(server.conversations) == len(report.attempts) == 1
    assert len(server.contents) == 2


@BOTH_WAYS
async def test_all_recipients_refused_each_keeps_its_own_words(
    net: Net, announces: tuple[str, ...]
):
    # Scenario 4; trap 21.
    server = await net.serve(
        SmtpServer({rcpt(ALICE): "550 5.1.1 one", rcpt(BOB): "550 5.2.1 two"}, announces=announces)
    )
    one, two = outcomes_of(await net.send(ALICE, BOB))
    assert (one.reply, two.reply) == ("550 5.1.1 one", "550 5.2.1 two")
    assert (one.result, two.result) == (Result.FAILED, Result.FAILED)
    assert not any(server.contents)


@BOTH_WAYS
async def test_452_to_the_first_recipient_is_its_own_answer(net: Net, announces: tuple[str, ...]):
    # Scenario 5.
    await net.serve(SmtpServer({rcpt(ALICE): "452 4.2.2 full for now"}, announces=announces))
    deferred, delivered = outcomes_of(await net.send(ALICE, BOB))
    assert (deferred.result, deferred.reply) == (Result.DEFERRED, "452 4.2.2 full for now")
    assert delivered.result is Result.DELIVERED


@BOTH_WAYS
@pytest.mark.parametrize(
    ("second", "result"),
    [
        pytest.param("552 5.2.2 mailbox full", Result.FAILED, id="full mailbox"),
        pytest.param(["552 too many", "250 ok"], Result.DELIVERED, id="too many recipients"),
    ],
)
async def test_552_is_read_by_what_it_is_about(
    net: Net, announces: tuple[str, ...], second: Reply, result: Result
):
    await net.serve(SmtpServer({rcpt(BOB): second}, announces=announces))
    first, other = outcomes_of(await net.send(ALICE, BOB))
    assert (first.result, other.result) == (Result.DELIVERED, result)


@BOTH_WAYS
async def test_rcptmax_splits_into_transactions_of_one_connection(
    net: Net, announces: tuple[str, ...]
):
    # Scenario 6.
    server = await net.serve(SmtpServer(announces=(*announces, "LIMITS RCPTMAX=1")))
    report = await net.send(ALICE, BOB, CHARLIE)
    assert [outcome.result for outcome in outcomes_of(report)] == [Result.DELIVERED] * 3
    (talk,) = server.conversations
    assert talk.verbs.count("MAIL") == len(talk.contents) == 3


async def test_mailmax_leads_to_another_connection(net: Net):
    server = await net.serve(SmtpServer(announces=(*PIPELINED, "LIMITS RCPTMAX=1 MAILMAX=2")))
    report = await net.send(ALICE, BOB, CHARLIE)
    assert [outcome.result for outcome in outcomes_of(report)] == [Result.DELIVERED] * 3
    assert [len(talk.contents) for talk in server.conversations] == [2, 1]


async def test_many_recipients_over_many_short_sessions_are_all_delivered(net: Net):
    await net.serve(SmtpServer(announces=(*PIPELINED, "LIMITS RCPTMAX=1 MAILMAX=1")))
    report = await net.send(*(f"user{n}@d.test" for n in range(15)))
    assert {outcome.result for outcome in outcomes_of(report)} == {Result.DELIVERED}


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(["LIMITS RCPTMAX=1 RCPTMAX=2"], id="one name twice"),
        pytest.param(["LIMITS RCPTMAX=1", "LIMITS MAILMAX=1"], id="keyword twice"),
        pytest.param(["LIMITS RCPTMAX=1 MAILMAX"], id="no value"),
        pytest.param(["LIMITS RCPTMAX=1;MAILMAX=1"], id="semicolon"),
    ],
)
async def test_damaged_limits_are_ignored(net: Net, limits: list[str]):
    # Scenario 8: the whole keyword, also the part that could be read.
    server = await net.serve(SmtpServer(announces=(*PIPELINED, *limits)))
    await net.send(ALICE, BOB)
    assert len(server.contents) == 1


async def test_354_without_recipients_is_answered_with_a_lone_dot(net: Net):
    # Scenario 7: afterwards the session is as good as new.
    server = await net.serve(SmtpServer({"RCPT": ["550 5.1.1 no", "250 ok"]}))
    (refused,) = outcomes_of(await net.send())
    assert refused.result is Result.FAILED
    (taken,) = outcomes_of(await net.send())
    assert taken.result is Result.DELIVERED
    assert len(server.conversations) == 1
    assert server.contents == [b"", CONTENT]


async def test_354_after_a_refused_mail_is_answered_with_a_lone_dot(net: Net):
    server = await net.serve(SmtpServer({"MAIL": ["550 5.7.1 no", "250 ok"]}))
    (refused,) = outcomes_of(await net.send())
    assert (refused.result, refused.code) == (Result.FAILED, 550)
    assert outcomes_of(await net.send())[0].result is Result.DELIVERED
    assert server.contents == [b"", CONTENT]


@BOTH_WAYS
async def test_251_is_success(net: Net, announces: tuple[str, ...]):
    await net.serve(SmtpServer({"RCPT": "251 2.1.5 will forward"}, announces=announces))
    assert outcomes_of(await net.send())[0].result is Result.DELIVERED


REPLIES: dict[str, Reply] = {
    "250": "250 ok",
    "251": "251 will forward",
    "450": "450 4.2.0 later",
    "452": "452 4.5.3 too many",
    "550": "550 5.1.1 no",
    "552": "552 5.2.2 full",
    "421": "421 4.3.2 bye, but not yet",
    "421 close": Say("421 4.3.2 bye", "close"),
    "close": Say(then="close"),
    "reset": Say(then="reset"),
}
FATES = {
    "250": {Result.DELIVERED, Result.DEFERRED},
    "251": {Result.DELIVERED, Result.DEFERRED},
    "450": {Result.DEFERRED},
    "452": {Result.DELIVERED, Result.DEFERRED},
    "550": {Result.FAILED},
    "552": {Result.FAILED},
    "421": {Result.DEFERRED},
    "421 close": {Result.DEFERRED},
    "close": {Result.DEFERRED},
    "reset": {Result.DEFERRED},
}


@BOTH_WAYS
@pytest.mark.parametrize(("first", "second"), list(itertools.product(REPLIES, REPLIES)))
async def test_matrix_of_two_replies_leaves_nobody_without_a_fair_answer(
    net: Net, announces: tuple[str, ...], first: str, second: str
):
    server = SmtpServer(
        {rcpt(ALICE): REPLIES[first], rcpt(BOB): REPLIES[second]}, announces=announces
    )
    await net.serve(server)
    one, two = outcomes_of(await net.send(ALICE, BOB))
    assert one.result in FATES[first]
    broken = {"421", "421 close", "close", "reset"}
    assert two.result in (FATES[second] | ({Result.DEFERRED} if first in broken else set()))
    if first in ("450", "550", "552"):
        assert one.reply == REPLIES[first]
    if not {first, second} & broken:
        accepted = {"250", "251"}
        assert (one.result is Result.DELIVERED) == (first in accepted)
        if second == "452" and first in accepted:
            # The server says so again when it is the only one: then it is its own answer.
            assert (two.result, two.reply) == (Result.DEFERRED, REPLIES["452"])


@BOTH_WAYS
@pytest.mark.parametrize(
    ("reply", "result", "scope"),
    [
        ("451 4.3.0 later", Result.DEFERRED, Scope.HOST),
        ("554 5.5.1 no", Result.FAILED, Scope.MESSAGE),
    ],
)
async def test_refused_data_decides_for_the_accepted_only(
    net: Net, announces: tuple[str, ...], reply: str, result: Result, scope: Scope
):
    await net.serve(SmtpServer({"DATA": reply, rcpt(BOB): "550 5.1.1 no"}, announces=announces))
    one, two = outcomes_of(await net.send(ALICE, BOB))
    assert (one.result, one.scope, one.reply) == (result, scope, reply)
    assert two.reply == "550 5.1.1 no"


@BOTH_WAYS
@pytest.mark.parametrize(
    ("reply", "result"),
    [("451 4.7.1 greylisted", Result.DEFERRED), ("554 5.6.0 we do not like it", Result.FAILED)],
)
async def test_reply_to_the_content_decides_for_the_accepted(
    net: Net, announces: tuple[str, ...], reply: str, result: Result
):
    await net.serve(SmtpServer({".": reply}, announces=announces))
    for outcome in outcomes_of(await net.send(ALICE, BOB)):
        assert (outcome.result, outcome.scope, outcome.reply) == (result, Scope.MESSAGE, reply)


@pytest.mark.parametrize("then", ["close", "reset", "silence"])
async def test_missing_reply_to_the_content_is_put_off_and_no_other_host_is_tried(
    net: Net, then: str
):
    # The message may have been taken: another host now could deliver it twice.
    net.time_scale = 0.0005 if then == "silence" else 0.1
    await net.serve(SmtpServer({".": Say(then=then)}))
    spare = await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope, outcome.enhanced) == (
        Result.DEFERRED,
        Scope.MESSAGE,
        "4.4.2",
    )
    assert spare.conversations == []


async def test_server_that_takes_no_more_content_leaves_the_next_host(net: Net):
    # The lone dot was never written, so the message can't have been taken.
    net.time_scale = 0.005
    await net.serve(SmtpServer({"DATA": Say("354 go on", "silence")}))
    spare = await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    content = CONTENT + (b"x" * 998 + b"\r\n") * 20_000
    report = await net.send(content=content)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert "took no content" in report.attempts[0].transcript
    assert spare.contents == [content]


@BOTH_WAYS
@pytest.mark.parametrize("stage", ["EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("then", ["", "close", "reset"])
async def test_421_is_the_end_of_the_session_whatever_follows(
    net: Net, announces: tuple[str, ...], stage: str, then: str
):
    server = await net.serve(SmtpServer({stage: Say("421 4.3.2 bye", then)}, announces=announces))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope, outcome.reply) == (
        Result.DEFERRED,
        Scope.HOST,
        "421 4.3.2 bye",
    )
    assert len(server.conversations) == 1


@pytest.mark.parametrize("then", ["", "close"])
async def test_421_to_starttls_is_about_the_host_and_not_about_tls(net: Net, then: str):
    replies = {"STARTTLS": Say("421 4.3.2 bye", then)}
    await net.serve(SmtpServer(replies, announces=(*PIPELINED, "STARTTLS")))
    report = await net.send()
    assert outcomes_of(report)[0].reply == "421 4.3.2 bye"
    assert [attempt.evidence for attempt in report.attempts] == [None]


async def test_421_to_anything_is_about_the_host(net: Net):
    await net.serve(SmtpServer({"RCPT": Say("421 4.3.2 going down", "close")}))
    spare = await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    (outcome,) = outcomes_of(await net.send())
    assert outcome.result is Result.DELIVERED
    assert len(spare.contents) == 1


@pytest.mark.parametrize(
    ("said", "enhanced"),
    [
        pytest.param("hello there", "4.5.0", id="no code"),
        pytest.param("250-one\n251 two", "4.5.0", id="two codes"),
        pytest.param("250 " + "x" * 5000, "4.5.0", id="too long"),
        pytest.param("x" * 3_000_000, "4.5.0", id="without end"),
        pytest.param("\x80\x81", "4.5.0", id="binary"),
    ],
)
async def test_nonsense_is_temporary(net: Net, said: str, enhanced: str):
    await net.serve(SmtpServer({"MAIL": said}))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope, outcome.enhanced) == (
        Result.DEFERRED,
        Scope.HOST,
        enhanced,
    )


# What the message needs


async def test_size_is_told_and_a_limit_is_kept_to(net: Net):
    server = await net.serve(SmtpServer(announces=(*PIPELINED, "SIZE 100")))
    await net.send()
    assert server.conversations[0].lines[1] == (
        f"MAIL FROM:<alice@mailweb.test> SIZE={len(CONTENT)} BODY=7BIT"
    )
    (outcome,) = outcomes_of(await net.send(content=CONTENT + b"x" * 100 + b"\r\n"))
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.3.4")


async def test_8bit_content_is_declared_as_such(net: Net):
    # Scenario 10, first half.
    server = await net.serve(SmtpServer())
    content = "Subject: x\r\n\r\nGrüße\r\n".encode()
    await net.send(content=content, has_8bit=True)
    assert server.conversations[0].lines[1].endswith("BODY=8BITMIME")
    assert server.contents == [content]


async def test_8bit_content_is_encoded_for_a_server_without_8bitmime(net: Net):
    # Scenario 10, second half.
    server = await net.serve(SmtpServer(announces=("PIPELINING",)))
    content = (
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
    )
    (outcome,) = outcomes_of(await net.send(content=content.encode(), has_8bit=True))
    assert outcome.result is Result.DELIVERED
    (got,) = server.contents
    assert got.isascii()
    assert b"Gr=C3=BC=C3=9Fe\r\n" in got


async def test_8bit_content_that_cannot_be_encoded_is_refused(net: Net):
    server = await net.serve(SmtpServer(announces=("PIPELINING",)))
    content = "Subject: Grüße\r\n\r\nhi\r\n".encode()
    (outcome,) = outcomes_of(await net.send(content=content, has_8bit=True))
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.6.3")
    assert server.conversations[0].verbs == ["EHLO"]


async def test_address_outside_ascii_needs_smtputf8(net: Net):
    server = await net.serve(SmtpServer(announces=(*PIPELINED, "SMTPUTF8")))
    (outcome,) = outcomes_of(await net.send("böb@d.test"))
    assert outcome.result is Result.DELIVERED
    assert server.conversations[0].lines[1].endswith(" SMTPUTF8")
    assert server.conversations[0].lines[2] == "RCPT TO:<böb@d.test>"


async def test_server_without_smtputf8_is_a_final_answer(net: Net):
    await net.serve(SmtpServer())
    (outcome,) = outcomes_of(await net.send("böb@d.test"))
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.6.7")


async def test_domain_outside_ascii_goes_as_a_labels_and_needs_nothing(net: Net):
    server = await net.serve(
        SmtpServer(), domain="xn--bcher-kva.test", mx="10 mx.xn--bcher-kva.test"
    )
    report = await net.send("bob@bücher.test", domain="xn--bcher-kva.test")
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert server.conversations[0].lines[2] == "RCPT TO:<bob@xn--bcher-kva.test>"


async def test_next_host_may_have_what_the_first_lacks(net: Net):
    await net.serve(SmtpServer())
    able = SmtpServer(announces=(*PIPELINED, "SMTPUTF8"), address="127.0.0.2")
    await net.serve(able, mx="20 able.d.test")
    (outcome,) = outcomes_of(await net.send("böb@d.test"))
    assert outcome.result is Result.DELIVERED


async def test_address_that_cannot_go_on_the_wire_fails_alone(net: Net):
    server = await net.serve(SmtpServer())
    bad, good = outcomes_of(await net.send("bob@d.test>\r\nDATA", BOB))
    assert (bad.result, bad.enhanced, good.result) == (Result.FAILED, "5.1.3", Result.DELIVERED)
    assert "DATA" not in server.conversations[0].lines[2]


async def test_null_sender_is_sent_as_such(net: Net):
    server = await net.serve(SmtpServer())
    await net.send(mail_from="")
    assert server.conversations[0].lines[1].startswith("MAIL FROM:<>")


async def test_large_content_arrives_whole(net: Net):
    server = await net.serve(SmtpServer())
    content = CONTENT + b"".join(b".%0900d\r\n" % n for n in range(3000))
    (outcome,) = outcomes_of(await net.send(content=content))
    assert outcome.result is Result.DELIVERED
    assert server.contents == [content]


async def test_transcript_has_commands_and_replies_but_no_content(net: Net):
    await net.serve(SmtpServer())
    report = await net.send()
    transcript = report.attempts[0].transcript
    assert transcript.splitlines()[:2] == ["S: 220 mx.test ESMTP", "C: EHLO mail.mailweb.test"]
    assert f"C: ({len(CONTENT)} octets of content)" in transcript
    assert "S: 250 2.0.0 taken" in transcript
    assert "Hello" not in transcript


@BOTH_WAYS
async def test_a_mailbox_refused_with_the_content_is_about_the_recipient_if_it_is_the_only_one(
    net: Net, announces: tuple[str, ...]
):
    # Scenario 24: some servers look addresses up only after the content.
    await net.serve(SmtpServer({".": "550 5.1.1 no such mailbox"}, announces=announces))
    (alone,) = outcomes_of(await net.send(ALICE))
    assert (alone.result, alone.scope) == (Result.FAILED, Scope.RECIPIENT)
    for outcome in outcomes_of(await net.send(ALICE, BOB)):
        assert (outcome.result, outcome.scope) == (Result.FAILED, Scope.MESSAGE)


@BOTH_WAYS
async def test_content_refused_by_policy_is_about_the_message_also_with_one_recipient(
    net: Net, announces: tuple[str, ...]
):
    await net.serve(SmtpServer({".": "550 5.7.1 it looks like spam"}, announces=announces))
    (outcome,) = outcomes_of(await net.send(ALICE))
    assert (outcome.result, outcome.scope) == (Result.FAILED, Scope.MESSAGE)
