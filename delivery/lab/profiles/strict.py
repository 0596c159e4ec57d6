"""Domains whose servers have rules, limits and moods of their own."""

from __future__ import annotations

from dataclasses import replace

from delivery.lab.behaviour import BARE, USUAL, Answer, Host, Profile, Smtp
from delivery.lab.profiles.pieces import ORDINARY
from delivery.smtp import Limits

STRICT = (
    Profile(
        name="greylist",
        description="Asks every new pair of sender and recipient to come back once (450); each of "
        "its two hosts has a list of its own.",
        records=("@ MX 10 mx", "@ MX 10 mx2", "mx A {mx}", "mx2 A {mx2}"),
        hosts=(
            Host(smtp=Smtp(is_greylisting=True)),
            Host(name="mx2", label="mx2", smtp=Smtp(is_greylisting=True)),
        ),
    ),
    Profile(
        name="slow",
        description="Takes three seconds to greet, one for each reply, eight for the last one.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(greets_after=3.0, answers_after=1.0, accepts_after=8.0)),),
    ),
    Profile(
        name="silent",
        description="Takes the connection and never says a word.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(greets_after=86_400.0)),),
    ),
    Profile(
        name="busy",
        description="Greets everybody with 421 and closes.",
        records=ORDINARY,
        hosts=(
            Host(
                smtp=Smtp(
                    answers={"": Answer(line="421 4.3.2 Too busy, come back later", closes=True)}
                )
            ),
        ),
    ),
    Profile(
        name="blocklist-mail",
        description="Refuses the sender with 550 in answer to MAIL and closes.",
        records=ORDINARY,
        hosts=(
            Host(
                smtp=Smtp(
                    answers={
                        "MAIL": Answer(
                            line="550 5.7.1 Your network is on our blocklist", closes=True
                        )
                    }
                )
            ),
        ),
    ),
    Profile(
        name="blocklist-rcpt",
        description="Refuses each recipient with 554 and closes before it answers DATA.",
        records=ORDINARY,
        hosts=(
            Host(
                smtp=Smtp(
                    answers={
                        "RCPT": Answer(
                            line="554 5.7.1 Your address is on our blocklist", closes=True
                        )
                    }
                )
            ),
        ),
    ),
    Profile(
        name="rcptmax",
        description="Takes one recipient in each transaction, and says so (LIMITS RCPTMAX=1).",
        records=ORDINARY,
        hosts=(
            Host(smtp=Smtp(extensions=replace(USUAL, limits=Limits(rcptmax=1)), most_recipients=1)),
        ),
    ),
    Profile(
        name="rcpt452",
        description="Takes two recipients in each transaction and answers 452 to the rest.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(most_recipients=2)),),
    ),
    Profile(
        name="full",
        description="Every mailbox is over its quota (552).",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(answers={"RCPT": Answer(line="552 5.2.2 The mailbox is full")})),),
    ),
    Profile(
        name="rejects-content",
        description="Reads the whole message, then refuses it (554).",
        records=ORDINARY,
        hosts=(
            Host(smtp=Smtp(answers={".": Answer(line="554 5.6.0 We do not like what it says")})),
        ),
    ),
    Profile(
        name="eai",
        description="Takes addresses in all scripts (SMTPUTF8).",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(extensions=replace(USUAL, smtputf8=True))),),
    ),
    Profile(
        name="no8bit",
        description="Does not take 8-bit content: it announces neither 8BITMIME nor SMTPUTF8.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(extensions=replace(USUAL, eightbitmime=False))),),
    ),
    Profile(
        name="bare",
        description="Announces nothing but STARTTLS: no pipelining, no sizes, no status codes.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(extensions=BARE)),),
    ),
    Profile(
        name="nobdat",
        description="Announces CHUNKING, and does not know the command BDAT (502).",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(extensions=replace(USUAL, chunking=False, other=("CHUNKING",)))),),
    ),
    Profile(
        name="dualstack",
        description="Has addresses of both families; over IPv6 it refuses each recipient with "
        "550 5.7.1, over IPv4 it accepts.",
        records=("@ MX 10 mx", "mx A {mx}", "mx AAAA {mx6}"),
        hosts=(
            Host(),
            Host(
                name="mx6",
                label="mx",
                is_ipv6=True,
                smtp=Smtp(
                    answers={"RCPT": Answer(line="550 5.7.1 We do not trust this IPv6 address")}
                ),
            ),
        ),
    ),
    Profile(
        name="backup",
        description="Its first MX host takes no connections, its second one works.",
        records=("@ MX 10 mx", "@ MX 20 mx2", "mx A {mx}", "mx2 A {mx2}"),
        hosts=(Host(is_listening=False), Host(name="mx2", label="mx2")),
    ),
)
