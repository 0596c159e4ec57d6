"""Sample values for the page that shows every part in every state (templates/parts.html).

Their attributes are what the templates in templates/components/ read; nothing here is a rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from django import forms
from django.core.paginator import Paginator

NAMES = {
    "starttls": "STARTTLS",
    "mta_sts": "MTA-STS",
    "dnssec": "DNSSEC",
    "dane": "DANE",
    "requiretls": "REQUIRETLS",
}
STATES = (
    ("yes", "Yes", "the form is whole"),
    ("yes-old", "Yes, old", "thin after 30 days"),
    ("no", "No", "only the foot stands"),
    ("unknown", "Unknown", "an empty frame"),
    ("checking", "Checking", "a core moves"),
    ("failed", "Failed", "the bar is broken"),
    ("lost", "Lost", "it was there before"),
    ("error", "No answer", "the look-up failed"),
)
WIRES = (
    ("req", "REQUIRETLS", "Verified, and binding on every later hop"),
    ("ver", "Verified TLS", "The server proved who it is"),
    ("tls", "TLS, not verified", "Encrypted, to whoever answered"),
    ("plain", "Plain text", "Readable on the way"),
    ("unk", "Not known yet", "Decided when it leaves"),
    ("cut", "Not sent", "Stopped before anything was handed over"),
)
ICONS = (
    "inbox draft outbox sent archive junk trash folder search filter bars domains bell pledge gear "
    "menu more logout user people key server calendar clock star eye image reply reply-all forward "
    "clip file copy link download print retry undo pause plus check fail warn info help x down up "
    "right back dash skip bold italic bullets quote"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One fact about a mail server, as the bar and its card show it."""

    key: str
    shape: str
    word: str
    count: str = ""
    when: str = ""
    is_fresh: bool = False
    fact: str = ""
    seen: str = ""
    sessions: str = ""
    server: str = ""
    reason: str = ""
    means: str = ""

    @property
    def name(self) -> str:
        """The name as the RFCs write it."""
        return NAMES[self.key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The five bars of one domain."""

    domain: str
    since: str
    bars: tuple[Bar, ...]
    status: str = ""

    @property
    def label(self) -> str:
        """All five words, for people who do not see the bars."""
        facts = ", ".join(f"{bar.name} {bar.word.lower()}" for bar in self.bars)
        return f"{self.domain}: {facts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How one copy travels."""

    kind: str
    words: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One shape of a bar, with what it is called."""

    shape: str
    word: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """A row of the ledger with the wire of its copy."""

    row: Row
    wire: Wire
    is_open: bool = False


class SampleForm(forms.Form):
    """One field of every sort."""

    name = forms.CharField(initial="Alice", help_text="Recipients see it beside your address.")
    undo = forms.IntegerField(label="Undo window", min_value=0, max_value=60)
    density = forms.ChoiceField(choices=[("normal", "Normal"), ("compact", "Compact")])
    signature = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    never_plain = forms.BooleanField(
        label="Never send in plain text",
        help_text="A message that can't go is held.",
        required=False,
    )


def _bars(*facts: tuple[str, str, str, str]) -> tuple[Bar, ...]:
    return tuple(
        Bar(key=key, shape=shape, word=word, count=count, when=when)
        for key, (shape, word, count, when) in zip(NAMES, facts, strict=True)
    )


def _strong() -> Row:
    return Row(
        domain="requiretls.test",
        since="since March",
        bars=_bars(
            ("yes", "Yes", "12 of 12", "yesterday"),
            ("yes", "Enforced", "policy 4", "just now"),
            ("yes", "Signed", "all of MX", "just now"),
            ("yes", "Matches", "2 of 2 hosts", "just now"),
            ("yes", "Yes", "12 of 12", "yesterday"),
        ),
    )


def _plain() -> Row:
    return Row(
        domain="plain.test",
        since="since August",
        bars=_bars(
            ("no", "No", "0 of 7", "yesterday"),
            ("no", "No policy", "looked up", "just now"),
            ("no", "Unsigned", "looked up", "just now"),
            ("no", "None", "looked up", "just now"),
            ("no", "No", "0 of 7", "yesterday"),
        ),
    )


def _new() -> Row:
    bars = _bars(
        ("unknown", "Unknown", "0 sessions", "never seen"),
        ("no", "No policy", "looked up", "just now"),
        ("yes", "Signed", "all of MX", "just now"),
        ("checking", "Checking", "1 of 2 hosts", "for 2 s"),
        ("unknown", "Unknown", "0 sessions", "never seen"),
    )
    fresh = replace(bars[2], is_fresh=True)
    return Row(
        domain="brand-new.test",
        since="First message",
        bars=(*bars[:2], fresh, *bars[3:]),
        status="brand-new.test: DNSSEC is signed, MTA-STS has no policy.",
    )


def _broken() -> Row:
    bars = _bars(
        ("yes-old", "Yes, old", "40 of 40", "47 days ago"),
        ("error", "No answer", "looked up", "just now"),
        ("yes", "Signed", "all of MX", "just now"),
        ("failed", "Failed", "0 of 6", "since 19 Nov"),
        ("lost", "Lost", "41 of 41 before", "since 09:30"),
    )
    dane = replace(
        bars[3],
        fact="The certificate does not match the published record.",
        seen="Today 10:12, first on 19 November",
        sessions="0 of 6 matched; 34 of 34 before",
        server="mx1.harbour.test",
        reason="validation-failure",
        means="For this message: it will not be handed over while this lasts.",
    )
    return Row(domain="harbour.test", since="since May", bars=(*bars[:3], dane, bars[4]))


def sample_parts() -> dict[str, object]:
    """Everything that templates/parts.html shows, by the name it has there."""
    wires = [Wire(kind=kind, words=words, text=text) for kind, words, text in WIRES]
    broken = _broken()
    return {
        "states": [State(shape=shape, word=word, text=text) for shape, word, text in STATES],
        "wires": wires,
        "ledger": [
            LedgerLine(row=_strong(), wire=wires[1]),
            LedgerLine(row=_plain(), wire=wires[3]),
            LedgerLine(row=_new(), wire=wires[4], is_open=True),
            LedgerLine(row=broken, wire=wires[5]),
        ],
        "domain": broken,
        "card": broken.bars[3],
        "form": SampleForm({"name": "", "undo": "75", "density": "normal"}),
        "page": Paginator(range(214), 50).page(2),
        "icons": ICONS.split(),
    }
