"""What `manage.py doctor` looks at: can this installation do what it promises?

Each check returns one `Finding`. Checks change nothing and do not depend on each other, so that
a broken database does not hide a broken resolver.
"""

from __future__ import annotations

from mailweb.diagnosis.finding import Finding, Grade

__all__ = ["Finding", "Grade"]
