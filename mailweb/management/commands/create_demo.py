"""The demo accounts: alice and bob, who have mail, and admin, who runs the place. Safe to repeat."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts import dkim, selectors, services
from accounts.models import Domain, User
from mailweb.webmail.models import Message, Role
from mailweb.webmail.services import file_message

if TYPE_CHECKING:
    from datetime import datetime

    from django.core.management.base import CommandParser

DOMAIN = "mailweb.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A demo account and its fixed password, which is why the demo must stay on loopback."""

    login: str
    name: str
    password: str


PEOPLE = (
    Person(login=f"alice@{DOMAIN}", name="Alice", password="alice-in-the-demo"),  # noqa: S106
    Person(login=f"bob@{DOMAIN}", name="Bob", password="bob-in-the-demo"),  # noqa: S106
    Person(login="admin", name="", password="admin-in-the-demo"),  # noqa: S106
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message that lies in an inbox when the demo opens."""

    key: str
    sender: str
    to: str
    subject: str
    text: str

    def as_bytes(self, now: datetime) -> bytes:
        """Return it in the form of RFC 5322."""
        message = EmailMessage(policy=SMTP)
        message["Date"] = format_datetime(now)
        message["From"] = self.sender
        message["To"] = self.to
        message["Message-ID"] = f"<{self.key}@{DOMAIN}>"
        message["Subject"] = self.subject
        message.set_content(dedent(self.text).lstrip())
        return message.as_bytes()


LETTERS = (
    Letter(
        key="demo-lunch",
        sender=f"Bob <bob@{DOMAIN}>",
        to=f"Alice <alice@{DOMAIN}>",
        subject="Answer me, I am next door",
        text="""\
            Hello Alice,

            we share this installation, so your answer never leaves the machine.
            Compose says so before you send it, and the receipt says so after.

            Log in as me to read it.

            Bob
            """,
    ),
    Letter(
        key="demo-welcome",
        sender=f"Mailweb demo <postmaster@{DOMAIN}>",
        to=f"Alice <alice@{DOMAIN}>",
        subject="Whom to write to first",
        text="""\
            Hello Alice,

            around this demo lies a small internet on loopback. Nothing you send leaves
            this machine. Any name before the @ works; each domain behaves in one way:

              someone@requiretls.test     announces REQUIRETLS and publishes DANE
              someone@dane.test           publishes DANE, no REQUIRETLS
              someone@sts.test            enforces MTA-STS
              someone@starttls.test       offers TLS and proves nothing
              someone@plain.test          offers no TLS at all
              someone@dane-mismatch.test  shows a certificate its own DNS rules out
              someone@downgrade.test      stops offering TLS after three sessions
              someone@greylist.test       asks every new sender to come back later
              someone@full.test           refuses: its mailboxes are over quota

            Type two or three of them into Compose and watch the five bars. Then send,
            open the sent message, and read the receipt. Send security keeps the record.

            What the servers received can be read under /lab/.
            """,
    ),
    Letter(
        key="demo-bob",
        sender=f"Mailweb demo <postmaster@{DOMAIN}>",
        to=f"Bob <bob@{DOMAIN}>",
        subject="You are the neighbour",
        text="""\
            Hello Bob,

            Alice has the longer letter. You are here so that somebody can receive.
            """,
    ),
)


class Command(BaseCommand):
    """Makes the demo world; prints how to log in."""

    help = "Makes the demo accounts and a few messages. Works only with DEMO switched on."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the options."""
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, **options: Any) -> None:
        """Make what is missing; leave what is there."""
        if not settings.DEMO:
            raise CommandError("These accounts have known passwords. Set DEMO=1 to make them.")
        rows = make_demo(now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps([{"login": a, "password": b} for a, b in rows]))
            return
        for login, password in rows:
            self.stdout.write(f"{login:22} {password or 'has a password of its own'}")


@transaction.atomic
def make_demo(*, now: datetime) -> list[tuple[str, str]]:
    """Make the world and return each log-in with its password, "" where it was changed."""
    if not Domain.objects.filter(name=DOMAIN).exists():
        services.add_domain(DOMAIN, now=now)
    _keys(now)
    users = [_person(person, now) for person in PEOPLE]
    for letter in LETTERS:
        _file(letter, now)
    return [
        (person.login, person.password if user.check_password(person.password) else "")
        for person, user in zip(PEOPLE, users, strict=True)
    ]


def _keys(now: datetime) -> None:
    """Sign the demo's mail. The lab publishes the records when it starts, a moment later."""
    domain = Domain.objects.get(name=DOMAIN)
    if domain.dkim_keys.exists():
        return
    for key in dkim.add_keys(domain=domain, now=now):
        dkim.activate(key=key, look_up=None, now=now)


def _person(person: Person, now: datetime) -> User:
    found = selectors.user_named(person.login)
    if found:
        return found
    make = services.create_account if "@" in person.login else services.create_operator
    return make(address=person.login, password=person.password, name=person.name, now=now)


def _file(letter: Letter, now: datetime) -> None:
    """File a letter once, wherever its reader has moved it since."""
    reader = selectors.user_named(letter.to.partition("<")[2].rstrip(">"))
    key = f"{letter.key}@{DOMAIN}"
    if reader and not Message.objects.filter(user=reader, message_id__contains=key).exists():
        file_message(user=reader, role_or_mailbox=Role.INBOX, data=letter.as_bytes(now), now=now)
