"""A resolver that reads literal maps instead of asking anybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from delivery.agent.answers import Answer, Status
from delivery.policy.facts import Dnssec


class FakeResolver:
    """Answers from `records`: {"MX dane.test": ["10 mx.dane.test"], ...}.

    A name under one of the `secure` zones is signed; with `validates` off everything is
    `unchecked`. `failing` questions ("TLSA _25._tcp.mx.dane.test") get SERVFAIL, `silent` ones
    time out, and `bogus` ones SERVFAIL for reasons of DNSSEC. A name that has no record of any
    type, and none below it, does not exist. `asked` has every question, in order, and `forgotten`
    every one whose answer must not come from memory.
    """

    def __init__(
        self,
        records: Mapping[str, Iterable[str]],
        *,
        secure: Iterable[str] = (),
        failing: Iterable[str] = (),
        silent: Iterable[str] = (),
        bogus: Iterable[str] = (),
        validates: bool = True,
    ) -> None:
        self.records = {question: tuple(found) for question, found in records.items()}
        self.secure = tuple(secure)
        self.failing = set(failing)
        self.silent = set(silent)
        self.bogus = set(bogus)
        self.validates = validates
        self.asked: list[str] = []
        self.forgotten: list[str] = []

    async def query(self, name: str, kind: str) -> Answer:
        question = f"{kind} {name}"
        self.asked.append(question)
        if question in self.silent:
            return Answer(name=name, kind=kind, status=Status.TIMEOUT, detail="no answer")
        if question in self.failing:
            return Answer(name=name, kind=kind, status=Status.SERVFAIL, detail="SERVFAIL")
        if question in self.bogus:
            return Answer(
                name=name,
                kind=kind,
                status=Status.SERVFAIL,
                dnssec=Dnssec.BOGUS,
                detail="SERVFAIL; dnssec bogus: signature does not fit",
            )
        return self._answer(name, kind)

    def forget(self, name: str, kind: str) -> None:
        self.forgotten.append(f"{kind} {name}")

    async def close(self) -> None:
        """There is nothing on its way."""

    def _answer(self, name: str, kind: str) -> Answer:
        found = self.records.get(f"{kind} {name}", ())
        aliases = self.records.get(f"CNAME {name}", ())
        alias = aliases[0] if aliases else ""
        if found or alias:
            status = Status.FOUND
        else:
            status = Status.NODATA if self._exists(name) else Status.NXDOMAIN
        signed = self._is_signed(name) and (
            kind == "CNAME" or not alias or self._ends_signed(alias)
        )
        dnssec = Dnssec.SECURE if signed else Dnssec.INSECURE
        return Answer(
            name=name,
            kind=kind,
            status=status,
            records=() if alias and kind != "CNAME" else found,
            alias=alias,
            dnssec=dnssec if self.validates else Dnssec.UNCHECKED,
            detail="" if status is Status.FOUND else f"{name} {kind}: {status}",
        )

    def _exists(self, name: str) -> bool:
        names = [question.split()[1] for question in self.records]
        return any(one == name or one.endswith(f".{name}") for one in names)

    def _is_signed(self, name: str) -> bool:
        return any(name == zone or name.endswith(f".{zone}") for zone in self.secure)

    def _ends_signed(self, name: str) -> bool:
        """As AD does, speak for the whole chain."""
        for _ in range(20):
            if not self._is_signed(name):
                return False
            aliases = self.records.get(f"CNAME {name}", ())
            if not aliases:
                return True
            name = aliases[0]
        return True
