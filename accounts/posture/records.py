"""The DNS records that a mail domain needs, and whether those found will do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from delivery.dkim import character_strings

Judge = Callable[[Sequence[str]], tuple[bool, str]]
"""The values found at a record's name in; whether they will do, and a sentence, out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record to publish, with the reason."""

    name: str
    kind: str
    value: str
    why: str
    mark: str
    """What every record of this purpose starts with; its value, where the whole value counts."""

    judge: Judge | None = field(default=None, compare=False, repr=False)
    """Decides instead, where it takes more than a look at the mark."""

    @property
    def strings(self) -> tuple[str, ...]:
        """The pieces that a TXT record is published in: DNS takes at most 255 octets in each."""
        return tuple(character_strings(self.value))

    @property
    def data(self) -> str:
        """The value as a zone file has it."""
        if self.kind != "TXT":
            return self.value
        return " ".join(f'"{each}"' for each in self.strings)

    def __str__(self) -> str:
        return f"{self.name}. {self.kind} {self.data}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one record: whether it will do, and a sentence."""

    record: Record
    will_do: bool
    sentence: str


Lookup = Callable[[str, str], Sequence[str]]
"""Name and type in, values out; nothing found is an empty answer."""


def records_for(
    domain: str, *, hostname: str, keys: Sequence[Record] = (), addresses: Sequence[str] = ()
) -> tuple[Record, ...]:
    """Return what `domain` should publish so that `hostname` handles its mail.

    `keys` are the records of the keys that sign it, as `posture.dkim.record_for` makes them;
    `addresses` those that mail leaves from beside the host's own.
    """
    others = "".join(f" ip{6 if ':' in one else 4}:{one}" for one in addresses)
    mx = f"10 {hostname}."
    return (
        Record(
            name=domain,
            kind="MX",
            value=mx,
            mark=f" {hostname}.",
            why="Mail for the domain comes to this server.",
        ),
        Record(
            name=domain,
            kind="TXT",
            value=f"v=spf1 a:{hostname}{others} -all",
            mark="v=spf1",
            why="Only this server sends for the domain (SPF, RFC 7208).",
        ),
        *keys,
        Record(
            name=f"_dmarc.{domain}",
            kind="TXT",
            value="v=DMARC1; p=quarantine",
            mark="v=DMARC1",
            why="Others treat forged senders with suspicion (DMARC, RFC 7489).",
        ),
        Record(
            name=f"_smtp._tls.{domain}",
            kind="TXT",
            value=f"v=TLSRPTv1; rua=mailto:postmaster@{domain}",
            mark="v=TLSRPTv1",
            why="Others report when TLS to this server failed (RFC 8460).",
        ),
    )


def check(records: Sequence[Record], look_up: Lookup) -> list[Verdict]:
    """Compare each record with what is published now."""
    return [_verdict(record, look_up(record.name, record.kind)) for record in records]


def _verdict(record: Record, found: Sequence[str]) -> Verdict:
    if record.judge is not None:
        will_do, sentence = record.judge(found)
        remedy = "" if will_do else f" Publish: {record}"
        return Verdict(record=record, will_do=will_do, sentence=sentence + remedy)
    fitting = [value for value in found if _fits(record, value)]
    if not fitting:
        return Verdict(record=record, will_do=False, sentence=f"Missing. Publish: {record}")
    if record.kind == "TXT" and len(fitting) > 1:
        return Verdict(
            record=record,
            will_do=False,
            sentence=f"There are {len(fitting)} of them; all are ignored until one is left.",
        )
    if fitting[0] != record.value:
        return Verdict(record=record, will_do=True, sentence=f"Published as: {fitting[0]}")
    return Verdict(record=record, will_do=True, sentence="Published.")


def _fits(record: Record, value: str) -> bool:
    if record.kind == "MX":
        return value.lower().endswith(record.mark.lower())
    return value.split(";")[0].split(" ")[0].lower() == record.mark.lower()
