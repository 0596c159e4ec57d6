"""From a draft to the queue: read the recipients, foresee, ask what must be asked, hand over, undo.

Rule: Send changes everything in one transaction or nothing at all. A refusal leaves the draft as
it is and says what can be done.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from accounts import selectors as accounts
from delivery import events, releasing, services, suppressions
from delivery.counting import submission
from delivery.metrics import Door
from delivery.models import Recipient as Copy
from delivery.policy.modes import Mode
from delivery.policy.reporting import TELL_WHEN_DELIVERED
from mailweb.lib import addresses
from mailweb.lib.addresses import Address
from mailweb.webmail import composing, later
from mailweb.webmail import services as store
from mailweb.webmail.acquaintances import known_among
from mailweb.webmail.asking import REFUSALS as REFUSALS
from mailweb.webmail.asking import Answers as Answers
from mailweb.webmail.asking import CannotBeMetError as CannotBeMetError
from mailweb.webmail.asking import ConsentNeededError as ConsentNeededError
from mailweb.webmail.asking import DecisionError as DecisionError
from mailweb.webmail.asking import SuppressedError as SuppressedError
from mailweb.webmail.asking import UnfinishedDraftError as UnfinishedDraftError
from mailweb.webmail.keeping_back import suppressed
from mailweb.webmail.mime import compose
from mailweb.webmail.models import Correspondent, Draft, Message, Role
from mailweb.webmail.outlook import outlook_of
from mailweb.webmail.recipients import FIELDS, recipients_of

if TYPE_CHECKING:
    from accounts.models import SendPreferences, User
    from delivery.models import OutboundMessage
    from delivery.selectors import Outlook
    from mailweb.webmail.recipients import Recipients

HOLD_OUTLASTS_BUTTON = timedelta(seconds=5)
"""The server lets go later than Undo is shown, so that a press in its last moment still counts."""

SENT_DRAFTS_KEPT = timedelta(minutes=10)


class Times(TypedDict):
    """When it leaves, and until when Undo is shown."""

    release_at: datetime | None
    undo_until: datetime | None


@submission(Door.WEB)
def send(
    draft: Draft,
    *,
    now: datetime,
    answers: Answers | None = None,
    release_at: datetime | None = None,
) -> OutboundMessage:
    """Hand the message to the queue, file its copy in Sent, and put the draft out of sight.

    Without `release_at` it leaves when the account's undo window is over.

    Raises:
        UnfinishedDraftError: something has to be put right first.
        CannotBeMetError: a copy can't be sent as asked, and `answers` does not say "anyway".
        ConsentNeededError: a copy would go with TLS optional, and `answers` has no yes to it.
        SuppressedError: a recipient is suppressed, and `answers` does not lift that.
        composing.DraftSentError: it has been sent already.
    """
    recipients = recipients_of(draft)
    sender = _check(draft, recipients)
    answers = answers or Answers()
    _insist(draft, recipients, answers.insists)
    _lift(draft, recipients, answers.lifts, now)
    outlook = outlook_of(draft, recipients, now=now)
    _ask(outlook, answers)
    preferences = accounts.preferences_of(draft.user)
    letter = letter_of(draft, recipients, sender, now=now)
    content = compose.build(letter)
    times = _times(preferences, now, release_at)
    with transaction.atomic():
        message = services.submit(
            owner=draft.user,
            mail_from=sender.spec,
            recipients=_copies(draft, recipients, outlook),
            content=content,
            subject=letter.subject,
            message_id=letter.message_id,
            sender_policy=preferences.policy,
            known=known_among(draft.user, [copy.spec for copy in recipients.copies]),
            reporting=TELL_WHEN_DELIVERED if draft.tells_delivery else services.NOTHING_SAID,
            now=now,
            release_at=times["release_at"],
            undo_until=times["undo_until"],
        )
        _claim(draft, message)
        _file(draft, recipients, message, content, now=now)
        _remember(draft.user, recipients, now=now)
        events.publish(draft.user_id, events.DRAFTS_CHANGED)
    return message


def _check(draft: Draft, recipients: Recipients) -> Address:
    """Return the sender, or say everything that is wrong at once."""
    errors = {name: list(sentences) for name, sentences in recipients.errors.items()}
    if not recipients.entries:
        errors["to"] = ["There is no recipient yet."]
    sender = _sender(draft)
    if sender is None:
        errors["sender"] = ["That is not one of your addresses. Choose another one."]
    if compose.has_control_characters(draft.subject):
        errors["subject"] = ["The subject contains a line break. Put it on one line."]
    elif len(draft.subject) > 998:
        errors["subject"] = ["The subject is too long. Keep it below 1,000 characters."]
    size = sum(draft.attachments.values_list("size_bytes", flat=True)) + len(draft.body.encode())
    if size > settings.MAX_MESSAGE_BYTES:
        limit = composing.size_in_words(settings.MAX_MESSAGE_BYTES)
        errors["files"] = [
            f"The message is {composing.size_in_words(size)}; {limit} is the limit. Remove a file."
        ]
    if errors or sender is None:
        raise UnfinishedDraftError(errors)
    return sender


def _sender(draft: Draft) -> Address | None:
    own = {str(address).casefold(): str(address) for address in accounts.addresses_of(draft.user)}
    mine = own.get(draft.sender.casefold())
    if mine is None:
        return None
    local_part, _, domain = mine.rpartition("@")
    return Address(
        name=" ".join(draft.user.name.split()),
        local_part=local_part,
        domain_ascii=domain,
        domain_unicode=domain,
    )


def _insist(draft: Draft, recipients: Recipients, specs: frozenset[str]) -> None:
    """Keep what the recipient's domain publishes for these copies, as a choice by hand."""
    for copy in recipients.copies:
        if copy.spec in specs:
            composing.choose_copy_mode(draft, key=copy.key, mode=Mode.DEFAULT)


def _lift(draft: Draft, recipients: Recipients, specs: frozenset[str], now: datetime) -> None:
    """Take addresses off the list of suppressed ones, and stop if others are on it."""
    for copy in recipients.copies:
        if copy.spec in specs:
            suppressions.lift(owner_id=draft.user_id, address=copy.spec, now=now)
    left = suppressed(draft, recipients, now=now)
    if left:
        raise SuppressedError(left)


def _ask(outlook: Outlook, answers: Answers) -> None:
    """Stop where a person has to decide."""
    refused = [copy for copy in outlook.copies if copy.is_refused]
    if not answers.anyway and any(copy.address not in answers.insists for copy in refused):
        raise CannotBeMetError(outlook.choice.conflict or outlook.choice.weakest)
    open_questions = tuple(
        consent for consent in outlook.choice.consents if consent.address not in answers.consents
    )
    if open_questions:
        raise ConsentNeededError(open_questions)


def letter_of(
    draft: Draft, recipients: Recipients, sender: Address, *, now: datetime
) -> compose.Letter:
    """Return the message as it will be written. Blind copies are not part of it."""
    references = tuple(draft.references)
    is_answer = bool(references) and draft.forward_of_id is None
    return compose.Letter(
        sender=sender,
        to=recipients.of("to"),
        cc=recipients.of("cc"),
        subject=draft.subject.strip(),
        body=draft.body,
        date=now,
        message_id=f"<{uuid4()}@{settings.MAIL_HOSTNAME}>",
        in_reply_to=references[-1] if is_answer else "",
        references=references,
        files=tuple(
            compose.File(name=file.name, content_type=file.content_type, data=bytes(file.data))
            for file in draft.attachments.all()
        ),
    )


def _copies(draft: Draft, recipients: Recipients, outlook: Outlook) -> list[services.NewRecipient]:
    specs = [copy.spec for copy in recipients.copies]
    pledges = accounts.pledges_for(draft.user, specs)
    ways = {copy.address: copy.forecast.way for copy in outlook.copies}
    return [
        services.NewRecipient(
            address=spec,
            mode=outlook.choice.modes[spec],
            pledge=pledges.get(spec),
            promised=ways.get(spec),
        )
        for spec in specs
    ]


def _times(preferences: SendPreferences, now: datetime, release_at: datetime | None) -> Times:
    """Return when it may leave, and until when Undo is shown beside it."""
    if release_at is not None or not preferences.undo_seconds:
        return {"release_at": release_at, "undo_until": None}
    undo_until = now + timedelta(seconds=preferences.undo_seconds)
    return {"release_at": undo_until + HOLD_OUTLASTS_BUTTON, "undo_until": undo_until}


def _claim(draft: Draft, message: OutboundMessage) -> None:
    """Tie the draft to its message; of two presses of Send, the second one finds it taken."""
    if not Draft.objects.filter(pk=draft.pk).update(outbound=message):
        raise composing.DraftSentError
    draft.outbound = message


def _file(
    draft: Draft,
    recipients: Recipients,
    message: OutboundMessage,
    content: bytes,
    *,
    now: datetime,
) -> None:
    """File the sent copy, which alone names the blind copies, and flag what was answered."""
    store.file_message(
        user=draft.user,
        role_or_mailbox=Role.SENT,
        data=content,
        now=now,
        is_seen=True,
        outbound=message,
        bcc=[(copy.name, copy.spec) for copy in recipients.of("bcc")],
    )
    _flag(draft, is_done=True)


def _flag(draft: Draft, *, is_done: bool) -> None:
    for key, flag in ((draft.reply_to_id, "is_answered"), (draft.forward_of_id, "is_forwarded")):
        if key is not None:
            Message.objects.filter(pk=key).update(**{flag: is_done})
            events.publish(draft.user_id, events.MAILBOX_CHANGED)


def _remember(user: User, recipients: Recipients, *, now: datetime) -> None:
    """Count everybody written to, so that compose can complete their addresses."""
    people = recipients.copies
    Correspondent.objects.bulk_create(
        (
            Correspondent(user=user, address=one.spec, name=one.name, messages=0, last_at=now)
            for one in people
        ),
        ignore_conflicts=True,
    )
    known = Correspondent.objects.filter(user=user, address__in=[one.spec for one in people])
    known.update(messages=F("messages") + 1, last_at=now)
    named = {one.spec: one.name for one in people if one.name}
    renamed = [one for one in known.filter(address__in=named) if one.name != named[one.address]]
    for one in renamed:
        one.name = named[one.address]
    Correspondent.objects.bulk_update(renamed, ["name"])


@transaction.atomic
def undo(message: OutboundMessage, *, user: User, now: datetime) -> Draft | None:
    """Take a message back and return its draft as it was; None if a copy has begun to leave."""
    draft = Draft.with_sent.filter(outbound=message, user=user).first()
    cancelled = set(
        message.recipients.filter(settled_at__isnull=False).values_list("address", flat=True)
    )
    if draft is None or not services.undo(message=message, now=now):
        return None
    _leave_out(draft, cancelled)
    Draft.with_sent.filter(pk=draft.pk).update(outbound=None, updated_at=now)
    sent = list(Message.objects.filter(user=user, outbound=message).values_list("uuid", flat=True))
    store.move_messages(user=user, uuids=sent, to=store.mailboxes_for(user)[Role.TRASH])
    store.delete_messages(user=user, uuids=sent)
    if not Message.objects.filter(user=user, in_reply_to__in=draft.references[-1:]).exists():
        _flag(draft, is_done=False)
    events.publish(user.pk, events.DRAFTS_CHANGED)
    draft.refresh_from_db()
    return draft


def _leave_out(draft: Draft, specs: set[str]) -> None:
    """Take those out of a draft whose copies its sender has cancelled in the outbox."""
    if not specs:
        return
    entries = recipients_of(draft).entries
    for name in FIELDS:
        kept = [
            entry.typed
            for entry in entries
            if entry.field == name and not (entry.address and entry.address.spec in specs)
        ]
        setattr(draft, name, kept)
    draft.save(update_fields=FIELDS)


def has_draft(message: OutboundMessage, *, user: User) -> bool:
    """Return whether a message was written here, so that it can be taken back as a draft."""
    return Draft.with_sent.filter(outbound=message, user=user).exists()


@transaction.atomic
def change_mode(
    message: OutboundMessage, *, mode: Mode, now: datetime, only: Copy | None = None
) -> int:
    """Send a message's copies, or `only` one, with another mode; return how many.

    The draft keeps the choice too, in case the message is taken back.
    """
    copies = releasing.ALL if only is None else Q(pk=only.pk)
    changed = releasing.change_mode(message=message, mode=mode, copies=copies, now=now)
    drafts = Draft.with_sent.filter(outbound=message)
    if changed and only is None:
        drafts.update(mode=mode, mode_is_by_hand=True, copy_modes={})
    elif changed and only is not None:
        for draft in drafts:
            composing.choose_copy_mode(draft, key=addresses.parse(only.address).key, mode=mode)
    return changed


def forget_sent_drafts(*, now: datetime) -> int:
    """Delete drafts whose message has left or can't be taken back any more; return how many."""
    still_here = Copy.objects.open().filter(message=OuterRef("outbound"), attempts_made=0)
    old = Draft.with_sent.filter(outbound__queued_at__lt=now - SENT_DRAFTS_KEPT)
    return old.exclude(Exists(still_here)).delete()[1].get("webmail.Draft", 0)


def sent_sentence(
    message: OutboundMessage,
    *,
    now: datetime,
    release_at: datetime | None = None,
    left: tuple[str, ...] = (),
) -> str:
    """Return what is said after Send; `left` are those whose copy stayed in a draft."""
    number = message.recipients.count()
    people = "1 person" if number == 1 else f"{number:,} people"
    sentence = f"Sending to {people}"
    if release_at is not None:
        sentence = f"It leaves {later.in_words(release_at, now)}"
    elif message.undo_until is not None:
        seconds = round((message.undo_until - message.queued_at).total_seconds())
        sentence += f" in {seconds} seconds"
    if not left:
        return f"{sentence}."
    rest = left[0] if len(left) == 1 else f"{len(left)} others"
    return f"{sentence}. For {rest} it stays in Drafts."
