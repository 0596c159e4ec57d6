"""Remember whom accounts have written to, so that they are not taken for first-time recipients."""

from __future__ import annotations

from django.db import migrations

AT_ONCE = 1000


def remember(apps, schema_editor):
    Recipient = apps.get_model("delivery", "Recipient")
    KnownAddress = apps.get_model("delivery", "KnownAddress")
    rows = (
        Recipient.objects.filter(owner__isnull=False)
        .order_by("id")
        .values_list("owner_id", "address", "domain", "message__queued_at")
    )
    batch = []
    for owner, address, domain, at in rows.iterator():
        key = f"{address.rpartition('@')[0].casefold()}@{domain}"
        batch.append(KnownAddress(owner_id=owner, key=key, first_at=at, was_new=False))
        if len(batch) >= AT_ONCE:
            KnownAddress.objects.bulk_create(batch, ignore_conflicts=True)
            batch.clear()
    KnownAddress.objects.bulk_create(batch, ignore_conflicts=True)


class Migration(migrations.Migration):

    dependencies = [
        ("delivery", "0010_hold_suppress_limit"),
    ]

    operations = [
        migrations.RunPython(remember, migrations.RunPython.noop),
    ]
