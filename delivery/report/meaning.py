"""What a status code means in plain words, and what its sender can do (RFC 3463, RFC 5248)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from delivery.policy.modes import Mode
from delivery.policy.reasons import Reason
from delivery.report.facts import Action, RecipientReport
from delivery.smtp import EnhancedCode


@dataclass(frozen=True, slots=True)
class Meaning:
    """Why it happened, as far as that is known, and what helps; either may be empty."""

    cause: str = ""
    advice: str = ""


_LATER = "Send it again later. If that does not help, tell the recipient in another way."
_OPERATOR = "You did nothing wrong. Tell whoever runs this server."
_SMALLER = "Send it in smaller parts, or put the files where they can be fetched."
_ROOM = "Tell the recipient in another way, and send it again once there is room."
_OTHER_ADDRESS = "Use another address of this recipient, or ask for one."
_AUTHENTIC = (
    "Tell whoever runs this server: what your domain publishes in DNS (SPF, DKIM, DMARC) has to"
    " be looked at."
)
_UNPROVEN = "The other server could not confirm that this message comes from your domain."
_RULES = (
    "The server's answer often says why. Ask the recipient or their provider to let your mail in."
)

_BY_DETAIL: Final = {
    (1, 0): Meaning("Something is wrong with the address.", "Check the address."),
    (1, 1): Meaning(
        "There is no mailbox with this address.",
        "Check the spelling before the @, or ask for the right address.",
    ),
    (1, 2): Meaning(
        "The part of the address after the @ does not exist or takes no mail.",
        "Check the spelling after the @.",
    ),
    (1, 3): Meaning(
        "The address is not written as addresses are.", "Check it character by character."
    ),
    (1, 4): Meaning("The address stands for more than one mailbox.", _OTHER_ADDRESS),
    (1, 6): Meaning("The mailbox has moved, and it is not known where to.", _OTHER_ADDRESS),
    (1, 7): Meaning("The server does not accept your own address.", _OPERATOR),
    (1, 8): Meaning("The server does not accept your own address.", _OPERATOR),
    (1, 10): Meaning("The domain says that it takes no mail.", _OTHER_ADDRESS),
    (2, 0): Meaning("Something is wrong with the mailbox.", _OTHER_ADDRESS),
    (2, 1): Meaning("The mailbox takes no mail at present.", _OTHER_ADDRESS),
    (2, 2): Meaning("The mailbox is full.", _ROOM),
    (2, 3): Meaning("The message is larger than this mailbox takes.", _SMALLER),
    (2, 4): Meaning("The address is a list that could not be worked off.", _LATER),
    (3, 0): Meaning("The other server is in trouble.", _LATER),
    (3, 1): Meaning("The other server has no room left.", _LATER),
    (3, 2): Meaning("The other server takes no mail now.", _LATER),
    (3, 4): Meaning("The message is larger than the other server takes.", _SMALLER),
    (3, 5): Meaning("The other server is not set up for this mail.", _OTHER_ADDRESS),
    (4, 0): Meaning("The way to the other server is disturbed.", _LATER),
    (4, 1): Meaning("The other server does not answer.", _LATER),
    (4, 2): Meaning("The connection to the other server broke off.", _LATER),
    (4, 3): Meaning("DNS, which knows where mail goes, gave no answer.", _LATER),
    (4, 4): Meaning(
        "No server could be found that takes this mail.", "Check the part after the @."
    ),
    (4, 5): Meaning("The other server has too much to do.", _LATER),
    (4, 6): Meaning("The message would go in a circle.", _OPERATOR),
    (4, 7): Meaning("It could not be delivered for as long as it was tried.", _LATER),
    (5, 0): Meaning("The two servers did not understand each other.", _OPERATOR),
    (5, 1): Meaning("The two servers did not understand each other.", _OPERATOR),
    (5, 2): Meaning("The two servers did not understand each other.", _OPERATOR),
    (5, 3): Meaning(
        "The message has more recipients than the other server takes.",
        "Send it to fewer at a time.",
    ),
    (6, 1): Meaning("The other server does not take this kind of content.", _SMALLER),
    (6, 3): Meaning(
        "The other server cannot take the message without changing it.",
        "Send it as plain text, without special characters.",
    ),
    (6, 7): Meaning(
        "The other server does not take addresses with such letters.",
        "Use an address with the letters a to z, of yours or of the recipient.",
    ),
    (7, 2): Meaning(
        "You may not write to this list.", "Ask the owner of the list, or write to one person."
    ),
    (7, 8): Meaning("The other server wants a log-in that was not accepted.", _OPERATOR),
    (7, 13): Meaning("The recipient's account is switched off.", _OTHER_ADDRESS),
    (7, 17): Meaning(
        "The address has changed hands since it was last known.",
        "Ask the recipient for the address that is right now.",
    ),
    (7, 20): Meaning(_UNPROVEN, _AUTHENTIC),
    (7, 21): Meaning(_UNPROVEN, _AUTHENTIC),
    (7, 22): Meaning(_UNPROVEN, _AUTHENTIC),
    (7, 23): Meaning(_UNPROVEN, _AUTHENTIC),
    (7, 24): Meaning(_UNPROVEN, _AUTHENTIC),
    (7, 25): Meaning("The address of this server has no name in DNS that fits it.", _OPERATOR),
    (7, 26): Meaning(_UNPROVEN, _AUTHENTIC),
    (7, 27): Meaning(
        "Your own domain says that it takes no mail, so no answer could reach you.", _OPERATOR
    ),
    (7, 28): Meaning("The other server has had too much mail from here.", _LATER),
    (7, 29): Meaning(_UNPROVEN, _AUTHENTIC),
}

_BY_SUBJECT: Final = {
    1: _BY_DETAIL[1, 0],
    2: _BY_DETAIL[2, 0],
    3: _BY_DETAIL[3, 0],
    4: _BY_DETAIL[4, 0],
    5: _BY_DETAIL[5, 0],
    6: Meaning(
        "The other server does not take this content.", "Send it as plain text, without files."
    ),
    7: Meaning("The other server refuses it by its rules.", _RULES),
}

_BY_CODE: Final = {
    421: _BY_DETAIL[3, 2],
    450: _BY_DETAIL[2, 1],
    451: _BY_DETAIL[3, 0],
    452: _BY_DETAIL[3, 1],
    521: _BY_DETAIL[1, 10],
    550: Meaning(
        "Either there is no such mailbox, or the other server refuses your mail by its rules.",
        "The server's answer often says which. Check the address first.",
    ),
    551: _BY_DETAIL[1, 6],
    552: _BY_DETAIL[2, 2],
    553: _BY_DETAIL[1, 3],
    556: _BY_DETAIL[1, 10],
}

_REQUIRETLS: Final = Meaning(
    "It was to be protected all the way (REQUIRETLS), and that could not be had.",
    "Wait and send it again, send it without REQUIRETLS, or use another address.",
)
_TLS: Final = Meaning(
    "The connection could not be protected as it has to be.",
    "Send it again in a day: such trouble is often mended by then. If it is no secret, the outbox"
    " can send it to this recipient with TLS optional.",
)
_DECIDE: Final = (
    "Send it all the same, let it wait until it travels as you were told, choose another mode, or"
    " take it back."
)
_ASK: Final = "Ask whoever runs this server."
_NO_ACTION: Final = "You need not do anything: it is still being tried."
_FROM_TLS: Final = frozenset({(7, 4), (7, 5), (7, 10), (7, 30)})


def meaning_of(one: RecipientReport) -> Meaning:
    """Return what is known about why a copy failed or waits; nothing where it arrived."""
    if one.action in (Action.DELIVERED, Action.RELAYED):
        return Meaning()
    if one.action is Action.HELD:
        return Meaning("", _DECIDE)
    found = _meaning(one)
    # Where no server spoke, our own sentence has said why.
    cause = found.cause if one.reply or found in (_TLS, _REQUIRETLS) else ""
    if one.action is Action.DELAYED:
        return Meaning(cause, _NO_ACTION)
    is_our_rule = not one.reply and found is _BY_SUBJECT[7]
    return Meaning(cause, _ASK if is_our_rule else found.advice)


def _meaning(one: RecipientReport) -> Meaning:
    about = _about(one)
    if about == (7, 30):
        return _REQUIRETLS
    if about in _FROM_TLS or one.reason is not Reason.NONE:
        return _REQUIRETLS if one.mode is Mode.REQUIRETLS else _TLS
    if about is not None and (about in _BY_DETAIL or about[0] in _BY_SUBJECT):
        return _BY_DETAIL.get(about) or _BY_SUBJECT[about[0]]
    return _BY_CODE.get(_code(one), Meaning("", _LATER))


def _about(one: RecipientReport) -> tuple[int, int] | None:
    """Return subject and detail of the code that tells most.

    Of a copy whose time was over that is the one in the last reply.
    """
    code = EnhancedCode.parse(one.enhanced)
    if one.is_expired and one.reply:
        code = EnhancedCode.parse(one.reply[4:])
    return (code.subject, code.detail) if code is not None else None


def _code(one: RecipientReport) -> int:
    digits = one.reply[:3]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
