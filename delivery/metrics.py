"""What is counted of delivery, with every value that a label may have."""

from __future__ import annotations

from enum import StrEnum

from delivery.agent.answers import Status
from delivery.policy.facts import Proof
from delivery.policy.modes import Mode
from delivery.policy.outcome import Result, Scope
from delivery.policy.reasons import Reason
from delivery.sasl import Mechanism
from delivery.smtp import Kind
from delivery.webhook_models import Event
from mailweb.lib.meters import OTHER, Count, Distribution, Level

SUCCESS = "success"
BOGUS = "bogus"
PLAIN = "none"


class TlsPolicy(StrEnum):
    """What the recipient's domain publishes about TLS."""

    NONE = "none"
    STS_TESTING = "mta-sts-testing"
    STS = "mta-sts"
    DANE = "dane"
    BOTH = "dane+mta-sts"
    RELAY = "relay"
    """Nothing: the session was with a relay of ours, and shows nothing about the domain."""


class RequireTlsRefusal(StrEnum):
    """Why a host did not get mail that requires TLS (RFC 8689 §4.2.1)."""

    NO_POLICY = "no-policy"
    POLICY_UNKNOWN = "policy-unknown"
    DANE_UNANSWERED = "dane-unanswered"
    NO_TLS = "no-tls"
    NOT_VERIFIED = "not-verified"
    NOT_OFFERED = "not-offered"


class Ignored(StrEnum):
    """What was set aside for mail with "TLS-Required: No" (RFC 8689 §3)."""

    STS_HOST = "mta-sts-host"
    STS_CERTIFICATE = "mta-sts-certificate"
    DANE_CERTIFICATE = "dane-certificate"
    DANE_UNANSWERED = "dane-unanswered"
    PLAIN_TEXT = "plain-text"


class Door(StrEnum):
    """How a message came in."""

    WEB = "web"
    COMMAND = "command"
    API = "api"
    SMTP = "smtp"
    OWN = "own"
    """Notices and reports of this installation."""


class Call(StrEnum):
    """How a call of a webhook went."""

    DONE = "done"
    AGAIN = "again"
    """It failed and is made once more."""

    GIVEN_UP = "given-up"


class Submission(StrEnum):
    """What became of a message that was handed over."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LIMITED = "limited"
    """A sending limit was reached."""

    BROKEN = "broken"
    """Our own fault."""


REASONS = [reason.value for reason in Reason if reason.value]
COMMANDS = [kind.value for kind in Kind if kind not in (Kind.INFO, Kind.UNKNOWN)]
TYPES = ("MX", "A", "AAAA", "TLSA", "TXT", "CNAME", OTHER)

SUBMISSIONS = Count(
    "submissions", "Messages handed over for delivery.", door=Door, result=Submission
)
SETTLED = Count("copies_tried", "Copies written down after a try.", outcome=Result)
ATTEMPTS = Count(
    "attempts",
    "Sessions with other mail servers, or reasons why there was none.",
    outcome=Result,
    scope=Scope,
)
DELIVERY_SECONDS = Distribution(
    "delivery_seconds", "How long an attempt took.", outcome=Result, mode=Mode
)
TLS_SESSIONS = Count(
    "tls_sessions",
    "What TLS showed, by the recipient's policy and by result type (RFC 8460).",
    policy=TlsPolicy,
    result=[SUCCESS, *REASONS],
)
TLS_VERIFIED = Count("tls_verified", "Proofs of who the server is.", method=Proof)
TLS_VERSIONS = Count(
    "tls_versions",
    "Sessions by version of TLS.",
    version=("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", PLAIN, OTHER),
)
REQUIRETLS_REFUSED = Count(
    "requiretls_refused", "Hosts that did not get REQUIRETLS mail.", reason=RequireTlsRefusal
)
TLS_REQUIRED_OVERRIDES = Count(
    "tls_required_overrides",
    'Deliveries for which "TLS-Required: No" set something aside.',
    ignored=Ignored,
)
DNS_SECONDS = Distribution(
    "dns_lookup_seconds",
    "Questions to the resolver.",
    type=TYPES,
    result=[*Status, BOGUS],
)
SESSIONS_BEGUN = Count(
    "smtp_sessions_begun", "Sessions for a message.", how=("opened", "reused", "failed")
)
SESSIONS = Level("smtp_sessions", "Sessions now.", state=("busy", "idle"))
HOSTS = Level(
    "hosts_in_trouble",
    "Addresses of mail hosts by their breaker; those in good health are not counted.",
    breaker=("closed", "open", "probing"),
)
COMMAND_SECONDS = Distribution(
    "smtp_command_seconds", "How long servers take to reply.", command=COMMANDS
)
REPLIES = Count(
    "smtp_replies",
    "Replies of servers by the class of their code.",
    command=COMMANDS,
    code=("2xx", "3xx", "4xx", "5xx", OTHER),
)
STS_FETCHES = Count(
    "mta_sts_fetches",
    "Fetches of MTA-STS policies.",
    result=[SUCCESS, *(reason for reason in REASONS if reason.startswith("sts-")), OTHER],
)
SASL_LOGINS = Count(
    "sasl_logins",
    "Log-ins at relays.",
    mechanism=[*Mechanism, PLAIN],
    result=("ok", "deferred", "paused"),
)
NOTICES = Count(
    "notices",
    "Messages whose senders were told how they ended.",
    kind=("failed", "delayed", "delivered", OTHER),
)
SUPPRESSIONS = Count(
    "suppressions",
    "Addresses put on the lists of suppressed ones, copies refused because of it, addresses lifted.",
    event=("added", "refused", "lifted"),
)
WEBHOOK_CALLS = Count("webhook_calls", "Calls of webhooks.", event=Event, result=Call)
DATABASE_FAILURES = Count(
    "database_failures", "Steps of a worker that the database did not carry out."
)
