"""One message to many recipients at one domain: as few transactions as the server allows."""

from __future__ import annotations

import pytest

from delivery.policy.outcome import Result, Scope
from tests.fakes.smtp_server import Conversation, Say, SmtpServer
from tests.peers.conftest import Net, outcomes_of

PIPELINED = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")
STEP_BY_STEP = ("8BITMIME", "ENHANCEDSTATUSCODES")
WITH_CHUNKS = (*PIPELINED, "CHUNKING")
ALL_WAYS = pytest.mark.parametrize(
    "announces",
    [
        pytest.param(PIPELINED, id="pipelined"),
        pytest.param(STEP_BY_STEP, id="stepwise"),
        pytest.param(WITH_CHUNKS, id="in chunks"),
    ],
)
MANY = tuple(f"user{number}@d.test" for number in range(500))


class Counting(SmtpServer):
    """Takes `most` recipients in each transaction, and says `too_many` to the rest.

    `taken` has the recipients of each transaction, `asked` counts all RCPT.
    """

    def __init__(self, *, most: int, too_many: str = "452 4.5.3 too many", **more) -> None:
        super().__init__(**more)
        self.most = most
        self.too_many = too_many
        self.taken: list[list[str]] = []
        self.asked = 0

    def _default(self, verb: str, talk: Conversation) -> str:
        if verb == "MAIL":
            self.taken.append([])
        if verb == "RCPT":
            self.asked += 1
            if len(self.taken[-1]) >= self.most:
                return self.too_many
            self.taken[-1].append(talk.lines[-1].removeprefix("RCPT TO:<").removesuffix(">"))
        return super()._default(verb, talk)

    @property
    def sizes(self) -> list[int]:
        return [len(one) for one in self.taken]

    @property
    def addresses(self) -> list[str]:
        return [address for one in self.taken for address in one]


def everybody_got_it(report) -> bool:
    return [outcome.result for outcome in outcomes_of(report)] == [Result.DELIVERED] * len(
        report.job.recipients
    )


@ALL_WAYS
async def test_500_recipients_take_one_transaction(net: Net, announces: tuple[str, ...]):
    server = Counting(most=1000, announces=announces)
    await net.serve(server)
    report = await net.send(*MANY)
    assert everybody_got_it(report)
    assert len(report.attempts) == len(server.conversations) == 1
    assert (server.sizes, server.asked, len(server.contents)) == ([500], 500, 1)


@ALL_WAYS
async def test_announced_limit_is_used_up(net: Net, announces: tuple[str, ...]):
    server = Counting(most=120, announces=(*announces, "LIMITS RCPTMAX=120"))
    await net.serve(server)
    assert everybody_got_it(await net.send(*MANY))
    assert (server.sizes, server.asked) == ([120, 120, 120, 120, 20], 500)
    assert (len(server.contents), len(server.conversations)) == (5, 1)


@ALL_WAYS
@pytest.mark.parametrize("too_many", ["452 4.5.3 too many", "552 too many"])
async def test_limit_that_shows_only_by_452_is_learned_at_once(
    net: Net, announces: tuple[str, ...], too_many: str
):
    server = Counting(most=100, announces=announces, too_many=too_many)
    await net.serve(server)
    report = await net.send(*MANY)
    assert everybody_got_it(report)
    assert sorted(server.addresses) == sorted(MANY)
    assert (server.sizes, len(server.contents)) == ([100] * 5, 5)
    assert len(report.attempts) == len(server.conversations) == 1
    # Step by step, one in vain ends each transaction; else all in the first, and then none.
    assert server.asked == (504 if announces == STEP_BY_STEP else 900)


async def test_one_full_mailbox_does_not_make_transactions_smaller(net: Net):
    server = Counting(most=120, announces=(*PIPELINED, "LIMITS RCPTMAX=120"))
    server.replies[f"RCPT TO:<{MANY[2]}>"] = "452 4.2.2 full for now"
    await net.serve(server)
    told = outcomes_of(await net.send(*MANY))
    assert (told[2].result, told[2].reply) == (Result.DEFERRED, "452 4.2.2 full for now")
    assert sum(outcome.result is Result.DELIVERED for outcome in told) == 499
    assert len(server.taken) == 5


async def test_both_limits_together_take_as_few_connections_as_they_allow(net: Net):
    server = Counting(most=100, announces=(*PIPELINED, "LIMITS RCPTMAX=100 MAILMAX=2"))
    await net.serve(server)
    assert everybody_got_it(await net.send(*MANY))
    assert [len(talk.contents) for talk in server.conversations] == [2, 2, 1]


async def test_more_recipients_than_a_session_has_transactions_go_on_in_the_next(net: Net):
    server = Counting(most=1, announces=(*PIPELINED, "LIMITS RCPTMAX=1"))
    await net.serve(server)
    assert everybody_got_it(await net.send(*MANY[:150]))
    assert [len(talk.contents) for talk in server.conversations] == [100, 50]


async def test_a_limit_of_domains_is_never_reached(net: Net):
    # RFC 9422 §4.3: RCPTDOMAINMAX. A transaction has one domain's recipients only.
    server = Counting(most=1000, announces=(*PIPELINED, "LIMITS RCPTDOMAINMAX=1"))
    await net.serve(server)
    net.name("10 mx.d.test", domain="other.test")
    assert everybody_got_it(await net.send(*MANY[:20]))
    assert everybody_got_it(await net.send("a@other.test", "b@other.test", domain="other.test"))
    assert server.sizes == [20, 2]
    domains = [{address.partition("@")[2] for address in one} for one in server.taken]
    assert domains == [{"d.test"}, {"other.test"}]
    assert len(server.conversations) == 1


@ALL_WAYS
async def test_each_of_500_has_an_answer_of_its_own(net: Net, announces: tuple[str, ...]):
    replies: dict[str, str] = {}
    for number, address in enumerate(MANY):
        if number % 10 == 1:
            replies[f"RCPT TO:<{address}>"] = f"550 5.1.1 no {number} here"
        if number % 10 == 2:
            replies[f"RCPT TO:<{address}>"] = "451 4.2.1 later"
        if number % 10 == 3:
            replies[f"RCPT TO:<{address}>"] = "251 2.1.5 will forward"
    server = await net.serve(SmtpServer(replies, announces=announces))
    told = outcomes_of(await net.send(*MANY))
    for number, outcome in enumerate(told):
        expected = {1: Result.FAILED, 2: Result.DEFERRED}.get(number % 10, Result.DELIVERED)
        assert outcome.result is expected
    assert told[41].reply == "550 5.1.1 no 41 here"
    assert len(server.contents) == 1


@ALL_WAYS
async def test_452_to_the_first_recipient_of_500_costs_the_others_nothing(
    net: Net, announces: tuple[str, ...]
):
    # Scenario 5.
    replies = {f"RCPT TO:<{MANY[0]}>": "452 4.2.2 full for now"}
    server = await net.serve(SmtpServer(replies, announces=announces))
    first, *others = outcomes_of(await net.send(*MANY))
    assert (first.result, first.reply) == (Result.DEFERRED, "452 4.2.2 full for now")
    assert {outcome.result for outcome in others} == {Result.DELIVERED}
    assert len(server.contents) == 1


@pytest.mark.parametrize("announces", [PIPELINED, STEP_BY_STEP], ids=["pipelined", "stepwise"])
async def test_421_in_the_middle_sends_the_rest_to_the_next_host(
    net: Net, announces: tuple[str, ...]
):
    replies = {f"RCPT TO:<{MANY[250]}>": Say("421 4.3.2 going down", "close")}
    first = await net.serve(SmtpServer(replies, announces=announces))
    spare = Counting(most=1000, announces=announces, address="127.0.0.2")
    await net.serve(spare, mx="20 spare.d.test")
    report = await net.send(*MANY)
    assert everybody_got_it(report)
    assert not any(first.contents)
    assert (spare.sizes, len(report.attempts)) == ([500], 2)


async def test_session_lost_between_transactions_leaves_everybody_with_an_answer(net: Net):
    server = Counting(most=100, announces=(*PIPELINED, "LIMITS RCPTMAX=100"))
    server.replies["MAIL"] = ["250 ok", "250 ok", Say(then="reset"), "250 ok"]
    server.most = 10_000  # MAIL is answered from `replies`, so nothing is counted here
    server.taken.append([])
    await net.serve(server)
    told = outcomes_of(await net.send(*MANY))
    assert [outcome.result for outcome in told[:200]] == [Result.DELIVERED] * 200
    assert {outcome.result for outcome in told[200:]} <= {Result.DELIVERED, Result.DEFERRED}
    assert all(outcome.scope is Scope.HOST for outcome in told if outcome.result is Result.DEFERRED)
    assert len(server.addresses) == len(set(server.addresses))
