"""The settings under test: those of production, in a private data directory, with no service."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_private = tempfile.mkdtemp(prefix="mailweb-test-")
atexit.register(shutil.rmtree, _private, ignore_errors=True)
os.environ["DATA_DIR"] = _private
for _name in ("BASE_URL", "DEBUG", "DEMO", "DNS_RESOLVERS", "MTA_STS_PORT", "SMTP_PORT"):
    os.environ.pop(_name, None)
os.environ["MAIL_HOSTNAME"] = "mail.mailweb.test"

from mailweb.settings import *  # noqa: E402, F403  # reads what was just set
from mailweb.settings import DATA_DIR, DATABASES, LOGGING, STORAGES  # noqa: E402

ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = False
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = True
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT = "memory://", "memory"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
LOGGING["root"]["level"] = "WARNING"

# A file, not memory: threads and processes of a test see what the others committed.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] = (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
    )
else:
    DATABASES["default"]["OPTIONS"] = {}
