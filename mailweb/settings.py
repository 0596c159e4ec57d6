"""All settings. This is the only file that reads the environment (names: docs/configuration.md)."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from mailweb.lib import logs
from mailweb.lib.environment import Environment
from mailweb.lib.levels import level
from mailweb.lib.secrets_file import kept_secret

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

VERSION = re.search(
    r"^## (\S+)", (BASE_DIR / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
)[1]  # type: ignore[index]

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

DEBUG = env.bool("DEBUG", default=False)
DEMO = env.bool("DEMO", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
HAS_SECRET_KEY_OF_ITS_OWN = bool(SECRET_KEY)  # else it is kept in DATA_DIR, and backed up
SECRET_KEY = SECRET_KEY or kept_secret(DATA_DIR / "secret_key")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

# Web
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", urlsplit(BASE_URL).hostname]
)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=["127.0.0.1", "::1"])
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_LISTEN = env.str("METRICS_LISTEN", default="")
# By machine: containers may share DATA_DIR, and each shows its own processes.
METRICS_DIR = DATA_DIR / "metrics" / socket.gethostname()
CSRF_TRUSTED_ORIGINS = [BASE_URL]
IS_HTTPS = BASE_URL.startswith("https://")

INSTALLED_APPS = [
    "daphne",
    "mailweb",
    "mailweb.webmail",
    "accounts",
    "delivery",
    "mailweb.admin_config.OperatorsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "template_partials",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "mailweb.lib.client_address.ClientAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mailweb.lib.zone.ReaderZoneMiddleware",
    "accounts.middleware.LastSeenMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "mailweb.urls"
ASGI_APPLICATION = "mailweb.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mailweb.webmail.context.navigation",
            ],
            "libraries": {"look": "mailweb.lib.templatetags.look"},
        },
    },
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "manifest-src": ["'self'"],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_COOKIE_HTTPONLY = False
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=IS_HTTPS)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS

DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

# Database
DATABASES = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'mailweb.sqlite3'}"),
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA mmap_size=134217728;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 20, "timeout": 20}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "accounts.backends.AddressBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "accounts:login"
AXES_VERBOSE = False
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "accounts.views.session.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_IPWARE_META_PRECEDENCE_ORDER = ["REMOTE_ADDR"]

LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = "mailweb.formats"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Work between processes
REDIS_URL = env.str("REDIS_URL", default="")
REDIS_PREFIX = env.str("REDIS_PREFIX", default="mailweb")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=REDIS_URL or "folder://localhost")
if CELERY_BROKER_URL.startswith("folder:"):
    _folder = DATA_DIR / "broker"
    _folder.mkdir(mode=0o700, exist_ok=True)
    CELERY_BROKER_TRANSPORT = "mailweb.lib.folder_broker:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS = {"folder": str(_folder), "polling_interval": 0.1}
elif CELERY_BROKER_URL.startswith(("redis:", "rediss:")):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": f"{REDIS_PREFIX}:"}
elif CELERY_BROKER_URL.startswith(("amqp:", "amqps:", "pyamqp:")):
    # Only an answer shows that a connection nobody used for long still leads anywhere.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
CELERY_TASK_DEFAULT_DELIVERY_MODE = "transient"  # hints need no disk
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 4  # a drain keeps one thread for hours, and a sweep needs another
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_REDIRECT_STDOUTS = False
# Look-ups, probes and notices have a queue of their own: they never wait behind a long drain.
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "delivery.tasks.drain": {"queue": "delivery"},
    "delivery.tasks.sweep": {"queue": "delivery"},
}
CELERY_TASK_IGNORE_RESULT = True
# A task is acknowledged when it begins. A drain goes on for hours, and what stays unacknowledged so
# long is given out again by Redis, closes the channel with RabbitMQ, and can end a worker whose broker
# goes away. A worker that is killed loses a hint at most, and the sweep needs none.
CELERY_TASK_ACKS_LATE = False
# These two are about late acknowledgements: nothing to cancel, and what runs takes no place.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # keeps no file that could break
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "delivery.tasks.sweep", "schedule": 5.0, "options": {"expires": 5.0}},
    "forget-sent-drafts": {
        "task": "mailweb.webmail.tasks.forget_sent_drafts",
        "schedule": 600.0,
        "options": {"expires": 600.0},
    },
    "look-ahead": {
        "task": "mailweb.webmail.tasks.look_ahead",
        "schedule": 360.0,
        "options": {"expires": 360.0},
    },
    "call-webhooks": {
        "task": "delivery.tasks.call_webhooks",
        "schedule": 15.0,
        "options": {"expires": 15.0},
    },
    "forget-webhook-calls": {"task": "delivery.tasks.forget_webhook_calls", "schedule": 3600.0},
    "refresh-policies": {"task": "delivery.tasks.refresh_policies", "schedule": 3600.0},
}

CHANNEL_LAYERS = {
    "default": (
        {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL], "prefix": f"{REDIS_PREFIX}:live"},
        }
        if REDIS_URL
        else {
            "BACKEND": "mailweb.lib.relay.RelayChannelLayer",
            "CONFIG": {"path": str(DATA_DIR / "layer.sock"), "capacity": 5000},
        }
    )
}

# Mail
MAIL_HOSTNAME = env.str("MAIL_HOSTNAME", default=socket.getfqdn())
DNS_RESOLVERS = env.list("DNS_RESOLVERS", default=[])
DNS_TRUST_AD = env.str("DNS_TRUST_AD", default="auto")
SMTP_PORT = env.int("SMTP_PORT", default=25)
SMTP_SOURCE_ADDRESSES = env.list("SMTP_SOURCE_ADDRESSES", default=[])
MTA_STS_PORT = env.int("MTA_STS_PORT", default=443)
TLS_CA_FILE = env.str("TLS_CA_FILE", default="")
WEBHOOK_NETWORKS = env.list("WEBHOOK_NETWORKS", default=[])
QUEUE_LIFETIME_HOURS = env.int("QUEUE_LIFETIME_HOURS", default=120)
DELIVERY_CONCURRENCY = env.int("DELIVERY_CONCURRENCY", default=200)
DELIVERY_CONCURRENCY_PER_HOST = env.int("DELIVERY_CONCURRENCY_PER_HOST", default=20)
DELIVERY_LEASE_SECONDS = env.int("DELIVERY_LEASE_SECONDS", default=60)
MAX_MESSAGE_BYTES = env.int("MAX_MESSAGE_BYTES", default=25 * 1024 * 1024)
MAX_RECIPIENTS = env.int("MAX_RECIPIENTS", default=500)
SENDING_RECIPIENTS_PER_DAY = env.int("SENDING_RECIPIENTS_PER_DAY", default=1000)
SENDING_NEW_RECIPIENTS_PER_DAY = env.int("SENDING_NEW_RECIPIENTS_PER_DAY", default=200)
LAB_DIR = DATA_DIR / "lab"

# How long what is settled is kept; 0 is for ever. Nothing goes unless `manage.py prune` is run.
KEEP_TRANSCRIPTS_DAYS = env.int("KEEP_TRANSCRIPTS_DAYS", default=90)
KEEP_MESSAGES_DAYS = env.int("KEEP_MESSAGES_DAYS", default=400)
KEEP_ATTEMPTS_DAYS = env.int("KEEP_ATTEMPTS_DAYS", default=400)
KEEP_LOOKUPS_DAYS = env.int("KEEP_LOOKUPS_DAYS", default=200)
KEEP_PROBES_DAYS = env.int("KEEP_PROBES_DAYS", default=30)
KEEP_HOSTS_DAYS = env.int("KEEP_HOSTS_DAYS", default=7)
KEEP_SUPPRESSIONS_DAYS = env.int("KEEP_SUPPRESSIONS_DAYS", default=400)
KEEP_KNOWN_DAYS = env.int("KEEP_KNOWN_DAYS", default=800)
KEEP_AUDIT_DAYS = env.int("KEEP_AUDIT_DAYS", default=0)
if env.bool("PRUNE_DAILY", default=False):
    CELERY_BEAT_SCHEDULE["prune"] = {"task": "mailweb.tasks.prune", "schedule": 3600.0}

LOCAL_DELIVERY = "mailweb.webmail.local_delivery.MailboxDelivery"
DKIM_KEYRING = "accounts.keyring.DomainKeys"
AUDIT_LOG = "accounts.audit.DatabaseAuditLog"

LOG_LEVEL = level(env.str("LOG_LEVEL", default="info"))
LOG_FORMAT = env.str("LOG_FORMAT", default="console")
LOGGING = logs.configuration(
    level=LOG_LEVEL,
    form=LOG_FORMAT,
    levels={
        "asyncio": "INFO",
        "axes": "WARNING",
        "celery": "WARNING",
        "daphne": "WARNING",
        "django.db.backends": "INFO",  # at debug it logs queries with their values
        "django.server": "WARNING",
        "httpcore2": "WARNING",
        "httpx2": "WARNING",
        "kombu": "INFO",
    },
)
