"""The part of a report for people: what happened, what the server said, what can be done."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from delivery.policy.retry import coming_attempts
from delivery.report.escaping import one_line
from delivery.report.facts import Action, RecipientReport, Report
from delivery.report.meaning import meaning_of
from delivery.report.original import MOST_RETURNED, returns_all

MOST_NAMED = 50
WIDTH = 76

_TITLES = {
    Action.FAILED: "Not delivered",
    Action.DELAYED: "Delayed",
    Action.HELD: "Held",
    Action.DELIVERED: "Delivered",
    Action.RELAYED: "Handed over",
}
_OF_SEVERAL = {
    Action.FAILED: "did not reach",
    Action.DELAYED: "is late for",
    Action.HELD: "is held for",
    Action.DELIVERED: "reached the servers of",
    Action.RELAYED: "reached the servers of",
}


def title(report: Report) -> str:
    """Return the subject of the report."""
    word = _TITLES[report.action]
    if len(report.recipients) == 1:
        return f"{word}: {one_line(report.recipients[0].address)}"
    return f"{word}: {len(report.recipients)} of {report.total} recipients"


def text(report: Report) -> str:
    """Return the part for people."""
    shown = report.recipients[:MOST_NAMED]
    lines = [*_wrapped(_opening(report)), ""]
    for one in shown:
        lines += [*_about(report, one), ""]
    if len(report.recipients) > len(shown):
        more = len(report.recipients) - len(shown)
        lines += [
            f"And {more:,} more, who are in {'the outbox' if report.action is Action.HELD else 'the second part of this report'}.",
            "",
        ]
    lines += [*_about_original(report), *_where(report)]
    return "\n".join(lines) + "\n"


def _opening(report: Report) -> str:
    """Say in one or two sentences what happened; this is what a list shows."""
    subject = one_line(report.subject)
    message = f"“{subject}”" if subject else "A message without a subject"
    if len(report.recipients) > 1:
        verb, count = _OF_SEVERAL[report.action], len(report.recipients)
        return f"{message} {verb} {count} of {report.total} recipients."
    one = report.recipients[0]
    if one.action is Action.DELIVERED:
        return f"{message} is in the mailbox of {one_line(one.address)}."
    if one.action is Action.RELAYED:
        return f"{message} was taken by the server of {one_line(one.address)}."
    if one.action is Action.HELD:
        return f"{message} was not sent to {one_line(one.address)}. {one_line(one.explanation)}"
    tried = "was not delivered" if one.action is Action.FAILED else "is still waiting"
    if one.attempts > 1:
        tried = f"was tried {one.attempts} times in {_span(report.now - report.began_at)}"
    return f"{message} {tried}. {one_line(one.explanation)}".strip()


def _about(report: Report, one: RecipientReport) -> Iterator[str]:
    """Yield what is known about one recipient."""
    meaning = meaning_of(one)
    yield one_line(one.address)
    if one.is_expired:
        yield from _wrapped(
            f"It was tried for {_span(report.expires_at - report.began_at)}, and then given up.", 2
        )
    if len(report.recipients) > 1:  # else the opening has said it
        yield from _wrapped(one_line(one.explanation), 2)
    yield from _wrapped(meaning.cause, 2)
    if one.action is Action.RELAYED:
        yield from _wrapped(
            f"{one_line(one.server) or 'That server'} does not say when it is in the mailbox."
            " If it cannot be delivered there, it is for that server to tell you.",
            2,
        )
    yield from _answer(one)
    if one.action is Action.DELAYED:
        yield from _wrapped(_schedule(report, one), 2)
    if meaning.advice:
        is_a_step = one.action in (Action.FAILED, Action.HELD)
        yield from _wrapped(f"{'What you can do: ' if is_a_step else ''}{meaning.advice}", 2)


def _answer(one: RecipientReport) -> Iterator[str]:
    """Yield the server's whole answer, a line for each of its lines."""
    lines = one.reply_lines
    if lines:
        who = one_line(one.server_in_full) or "The server"
        when = f" on {_time(one.last_attempt_at)}" if one.last_attempt_at else ""
        yield f"  {who} answered{when}:"
        yield from (f"    {one_line(line)}" for line in lines)


def _schedule(report: Report, one: RecipientReport) -> str:
    """Say when it is tried again, as the queue will do it."""
    until = _time(report.expires_at)
    if one.next_attempt_at is None:
        return f"It is being tried again now, and if that fails until {until}."
    if one.next_attempt_at >= report.expires_at:
        return f"It is tried for the last time on {until}."
    return (
        f"It is tried again on {_time(one.next_attempt_at)}{_then(report, one)}, for the last time"
        f" on {until}. If that fails, you will be told."
    )


def _then(report: Report, one: RecipientReport) -> str:
    """Return how long the waits after the next try are, but for the one that is cut short."""
    next_at = one.next_attempt_at or report.now
    times = list(
        islice(coming_attempts(one.attempts, next_at=next_at, expires_at=report.expires_at), 500)
    )
    waits = [later - earlier for earlier, later in pairwise(times)][:-1]
    if not waits:
        return ""
    shortest, longest = _wait(min(waits)), _wait(max(waits))
    if shortest == longest:
        return f", then about every {shortest.removeprefix('1 ')}"
    return f", then after waits of {shortest} to {longest}"


def _about_original(report: Report) -> list[str]:
    """Say what is enclosed, where that may surprise."""
    said = ""
    if report.requires_tls and report.action is not Action.HELD:
        said = (
            "Your message required TLS on its whole way (REQUIRETLS), so this report encloses its"
            " header and nothing of its text."
        )
    elif report.returns_content and report.action is Action.FAILED and not returns_all(report):
        is_large = report.size_bytes > MOST_RETURNED
        why = "is too large to be enclosed" if is_large else "is not kept any more"
        said = f"Your message {why}, so this report has its header only."
    return [*_wrapped(said), ""] if said else []


def _where(report: Report) -> list[str]:
    if not report.outbox_url or report.action in (Action.DELIVERED, Action.RELAYED):
        return []
    offer = (
        "The outbox shows what can be done for each of them: try again, send with other rules,"
        " or to another address."
    )
    if report.action is Action.HELD:
        offer = (
            "The outbox has it, for as long as you like. Nothing leaves before you have decided:"
        )
    return [*_wrapped(offer), report.outbox_url]


def _wrapped(sentence: str, indent: int = 0) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        sentence,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _span(length: timedelta) -> str:
    """Return how long something took, as people say it."""
    hours = length.total_seconds() / 3600
    if hours < 1:
        return "less than an hour"
    number, unit = (round(hours / 24), "day") if hours >= 36 else (round(hours), "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _wait(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    number, unit = (round(minutes / 60), "hour") if minutes >= 60 else (minutes, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _time(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at:%a} {at.day} {at:%b %Y, %H:%M} UTC"
