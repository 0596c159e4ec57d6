"""What pages and commands read. Everything that belongs to an account is scoped by `owner_id`."""

from __future__ import annotations

from delivery.selectors.attempts import attempts, domain_attempts
from delivery.selectors.domains import (
    DomainView,
    domain_views,
    domains_of,
    ledger_row,
    looked_up_since,
    policy_facts,
    row_of,
    rows_for,
)
from delivery.selectors.outbox import (
    Outbox,
    OutboxCopy,
    OutboxItem,
    asking_messages,
    outbox,
    outbox_counts,
    outbox_items,
)
from delivery.selectors.outlook import (
    Alternative,
    ChoiceView,
    Consent,
    CopyRequest,
    CopyView,
    Outlook,
    outlook,
)
from delivery.selectors.published import (
    lost_policies,
    published_history,
    weakened_domains,
)
from delivery.selectors.queue import (
    Story,
    copy_document,
    copy_story,
    queue_document,
    queue_stats,
    with_messages,
)
from delivery.selectors.receipts import (
    Receipt,
    ReceiptPart,
    attempt_document,
    receipt,
    receipt_document,
    way_of,
)
from delivery.selectors.rules import hold_rules
from delivery.selectors.waiting import (
    Waiting,
    most_overdue,
    transports_by_state,
    waiting_copies,
    webhook_calls_waiting,
)
from delivery.selectors.ways import Exits, exits

__all__ = [
    "Alternative",
    "ChoiceView",
    "Consent",
    "CopyRequest",
    "CopyView",
    "DomainView",
    "Exits",
    "Outbox",
    "OutboxCopy",
    "OutboxItem",
    "Outlook",
    "Receipt",
    "ReceiptPart",
    "Story",
    "Waiting",
    "asking_messages",
    "attempt_document",
    "attempts",
    "copy_document",
    "copy_story",
    "domain_attempts",
    "domain_views",
    "domains_of",
    "exits",
    "hold_rules",
    "ledger_row",
    "looked_up_since",
    "lost_policies",
    "most_overdue",
    "outbox",
    "outbox_counts",
    "outbox_items",
    "outlook",
    "policy_facts",
    "published_history",
    "queue_document",
    "queue_stats",
    "receipt",
    "receipt_document",
    "row_of",
    "rows_for",
    "transports_by_state",
    "waiting_copies",
    "way_of",
    "weakened_domains",
    "webhook_calls_waiting",
    "with_messages",
]
