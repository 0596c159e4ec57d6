"""Fill in when TLS was last seen, from the ledger: a memory that begins with the update is none."""

from django.db import migrations
from django.db.models import F, Max


def fill_in(apps, schema_editor):
    """Take the date from the ledger, and from the record itself where the last session had it."""
    attempts = apps.get_model("delivery", "Attempt").objects
    evidence = apps.get_model("delivery", "DomainEvidence").objects
    for name in ("starttls", "proven", "requiretls"):
        evidence.filter(**{f"{name}_state": "yes"}).update(**{f"{name}_yes_at": F(f"{name}_seen_at")})
    past = evidence.filter(starttls_yes_at=None, starttls_hits__gt=0)
    for row in past.values("pk", "owner_id", "domain").iterator():
        over_tls = attempts.filter(owner_id=row["owner_id"], domain=row["domain"]).exclude(
            tls_version=""
        )
        last = over_tls.aggregate(last=Max("at"))["last"]
        if last is not None:
            evidence.filter(pk=row["pk"]).update(starttls_yes_at=last)


class Migration(migrations.Migration):
    dependencies = [("delivery", "0003_remember_tls")]

    operations = [migrations.RunPython(fill_in, migrations.RunPython.noop, elidable=True)]
