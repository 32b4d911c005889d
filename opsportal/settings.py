"""Settings of the portal, read from the environment (see `.env.example`)."""

import sys
from datetime import timedelta
from pathlib import Path

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured

from opsportal import env

django_stubs_ext.monkeypatch()  # `ModelForm[Node]` and the like, at run time too

BASE_DIR = Path(__file__).resolve().parent.parent
LAB_DIR = Path(env.text("OPSPORTAL_LAB_DIR", str(BASE_DIR / ".lab")))

DEBUG = env.flag("OPSPORTAL_DEBUG", default=False)
SECRET_KEY = env.text("OPSPORTAL_SECRET_KEY")
NO_SECRET = "no-secret-was-set-and-nothing-is-served" * 2
# Passwords of watched nodes are stored encrypted with this Fernet key; it never enters the database.
FIELD_KEY = env.text("OPSPORTAL_FIELD_KEY")
# The lab, the checks of the house and the like run before there is a portal to configure; whatever serves or stores does not
# (the web server is refused in `wsgi`).
NEEDS_NO_SECRET = {"lab", "demo", "playbook", "collectstatic", "makemigrations", "check", "doctor", "help"}
# So does the witness, which is to know none of the portal's secrets.
OF_THE_WITNESS = sys.argv[1:2] == ["ledger"] and sys.argv[2:3] in (["witness"], ["key"])
if not SECRET_KEY:
    if (
        len(sys.argv) > 1
        and sys.argv[1] not in NEEDS_NO_SECRET
        and not OF_THE_WITNESS
        and Path(sys.argv[0]).name == "manage.py"
    ):
        raise ImproperlyConfigured("OPSPORTAL_SECRET_KEY is not set. Set it to 50 random characters; see .env.example.")
    SECRET_KEY = NO_SECRET
# What signs the ledger's checkpoints; it never enters the database. The witness's public key, and where it puts what it signed.
LEDGER_KEY = env.text("OPSPORTAL_LEDGER_KEY")
LEDGER_WITNESS_KEY = env.text("OPSPORTAL_LEDGER_WITNESS_KEY")
LEDGER_WITNESSED = env.text("OPSPORTAL_LEDGER_WITNESSED")
ALLOWED_HOSTS = env.words("OPSPORTAL_HOSTS", "localhost,127.0.0.1,[::1]")
ORIGIN = env.text("OPSPORTAL_ORIGIN", "http://localhost:8000")
CSRF_TRUSTED_ORIGINS = [ORIGIN]

# The rooms that watch a part of the data tier; a new kind of tier is one folder and one line here.
TIER_ROOMS = ["queries", "replicas", "pools", "cache", "ratelimits", "partitions"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "apps.ledger",
    "apps.batch",
    "apps.accounts",
    "apps.telemetry",
    "apps.metrics",
    *(f"apps.{room}" for room in TIER_ROOMS),
    "apps.playbook",
    "apps.runbooks",
    "apps.rollouts",
    "apps.overview",
    "apps.lab",
]

MIDDLEWARE = [
    "apps.telemetry.middleware.CorrelationMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.telemetry.middleware.ContentSecurityPolicyMiddleware",
    "apps.telemetry.unreadable.UnreadableMiddleware",  # before whatever looks at the address, the form or a cookie
    "apps.metrics.unchanged.UnchangedMiddleware",  # before whatever loads the session
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.accounts.middleware.PersonMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "apps.accounts.middleware.PolicyMiddleware",
]

ROOT_URLCONF = "opsportal.urls"
WSGI_APPLICATION = "opsportal.wsgi.application"
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
                "apps.metrics.context.frame",
            ],
        },
    },
]

# The portal's own store; never a watched one. Serving uses a login that cannot rewrite the ledger; `migrate` the owner's.
DATABASE_APP_ROLE = "opsportal_app"
_url = "OPSPORTAL_DATABASE_URL"
if sys.argv[1:2] == ["migrate"] and env.text("OPSPORTAL_OWNER_DATABASE_URL"):
    _url = "OPSPORTAL_OWNER_DATABASE_URL"
DATABASES = {"default": env.database(_url, "postgresql://opsportal_app@127.0.0.1:5432/opsportal")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("OPSPORTAL_REDIS_URL", "redis://127.0.0.1:6379")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": f"{REDIS_URL}/1",
        "KEY_PREFIX": "opsportal",
        "OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
    }
}
TELEMETRY_REDIS_URL = f"{REDIS_URL}/2"

# Polling: every tier each POLL_SECONDS; a node that does not answer within NODE_DEADLINE is abandoned, the others go on.
POLL_SECONDS = env.whole("OPSPORTAL_POLL_SECONDS", default=10, least=2, most=300)
NODE_DEADLINE = timedelta(seconds=min(4, POLL_SECONDS * 0.4))
# Which hosts a node may have: names, ends of names (.db.example.org), networks (10.0.0.0/8); empty: see docs/security.md.
NODE_HOSTS = env.words("OPSPORTAL_NODE_HOSTS")
# A PEM file: the authorities that sign the nodes' certificates, where those of the system do not.
NODE_CA = env.authorities("OPSPORTAL_NODE_CA")

# What watching one node may cost; above it the poller backs off from that node (docs/decisions/0027).
NODE_MS_PER_MINUTE = env.whole("OPSPORTAL_NODE_MS_PER_MINUTE", default=1000, least=1, most=60_000)
NODE_BYTES_PER_POLL = env.whole("OPSPORTAL_NODE_BYTES_PER_POLL", default=500_000, least=100, most=100_000_000)
NODE_CONNECTIONS = env.whole("OPSPORTAL_NODE_CONNECTIONS", default=4, least=1, most=100)

# History: for how long each level is kept (see docs/decisions/0017), and which store keeps it.
RAW_RETENTION = timedelta(days=env.whole("OPSPORTAL_RAW_DAYS", default=14, least=2, most=400))
HISTORY_RETENTION = {
    "raw": RAW_RETENTION,
    "5m": timedelta(days=env.whole("OPSPORTAL_ROLLUP_5M_DAYS", default=100, least=2, most=1500)),
    "1h": timedelta(days=env.whole("OPSPORTAL_ROLLUP_1H_DAYS", default=800, least=2, most=4000)),
}
HISTORY = env.one_of("OPSPORTAL_HISTORY", ("postgres", "prometheus"))
HISTORY_URL = env.text("OPSPORTAL_HISTORY_URL").rstrip("/")
HISTORY_TOKEN = env.text("OPSPORTAL_HISTORY_TOKEN")
if HISTORY == "prometheus" and not HISTORY_URL.startswith(("http://", "https://")):
    raise ImproperlyConfigured("OPSPORTAL_HISTORY is prometheus: set OPSPORTAL_HISTORY_URL to http(s)://host:port.")

CELERY_BROKER_URL = f"{REDIS_URL}/0"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A page that orders a task waits no longer for a queue that is away; workers go on trying, by Celery's own settings.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 5, "max_retries": 0}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_DEFAULT_QUEUE = "opsportal"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = {
    "poll": {
        "task": "apps.metrics.tasks.poll_all",
        "schedule": POLL_SECONDS,
        "options": {"expires": POLL_SECONDS},
    },
    "sign-checkpoint": {"task": "apps.ledger.tasks.sign_checkpoint", "schedule": 20, "options": {"expires": 20}},
    "deliver": {"task": "apps.metrics.tasks.deliver", "schedule": 5, "options": {"expires": 5}},
    "advance-watches": {
        "task": "apps.rollouts.tasks.advance_watches",
        "schedule": POLL_SECONDS,
        "options": {"expires": POLL_SECONDS},
    },
    "tell-turns": {"task": "apps.rollouts.tasks.tell_turns", "schedule": 30, "options": {"expires": 30}},
    "keep-texts": {"task": "apps.queries.tasks.keep_texts", "schedule": 60, "options": {"expires": 60}},
    "maintain-samples": {"task": "apps.metrics.tasks.maintain", "schedule": 600, "options": {"expires": 600}},
    "forget-sessions": {
        "task": "apps.accounts.tasks.forget_expired_sessions",
        "schedule": 3600,
        "options": {"expires": 3600},
    },
    "forget-batches": {"task": "apps.batch.tasks.forget_old", "schedule": 86400, "options": {"expires": 3600}},
}

# Alerts by e-mail, and where webhooks may go besides https on the open internet: host or host:port, commas between.
globals().update(env.mail("OPSPORTAL_EMAIL_URL", env.text("OPSPORTAL_EMAIL_PASSWORD")))
DEFAULT_FROM_EMAIL = env.text("OPSPORTAL_EMAIL_FROM", "opsportal@localhost")
EMAIL_TIMEOUT = 10
WEBHOOK_HOSTS = env.words("OPSPORTAL_WEBHOOK_HOSTS")

if HISTORY == "prometheus":
    CELERY_BEAT_SCHEDULE["send-history"] = {
        "task": "apps.metrics.tasks.send_history",
        "schedule": POLL_SECONDS,
        "options": {"expires": POLL_SECONDS},
    }

AUTH_USER_MODEL = "accounts.Person"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "apps.accounts.adapter.ClosedAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True  # as long as SESSION_COOKIE_AGE; no box to tick
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
MFA_ADAPTER = "apps.accounts.adapter.FactorsAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # a key that cannot verify its person could sign nothing
MFA_TOTP_TOLERANCE = 1  # steps of 30 s: phones' clocks differ
# Files attached to checklist items and issues; they are kept in the portal's own database.
FILES_TOTAL_BYTES = env.whole("OPSPORTAL_FILES_TOTAL_BYTES", default=200_000_000, least=1_000, most=10_000_000_000)
FILE_MAX_BYTES = env.whole("OPSPORTAL_FILE_MAX_BYTES", default=10_000_000, least=1_000, most=100_000_000)
FILE_UPLOAD_HANDLERS = [
    "apps.rollouts.attachments.TooMuch",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# How a signature may be made: `passkey` alone, or by who has none also with the password (and one-time code), labelled as such.
SIGN_WITH = env.words("OPSPORTAL_SIGN_WITH", "passkey,password")
if not {"passkey"} <= set(SIGN_WITH) <= {"passkey", "password"}:
    raise ImproperlyConfigured("OPSPORTAL_SIGN_WITH must be passkey or passkey,password.")
USERSESSIONS_ADAPTER = "apps.accounts.adapter.PlacesAdapter"
USERSESSIONS_TRACK_ACTIVITY = False

SESSION_ENGINE = "apps.accounts.sessions"  # Django's, read together with the person
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SECURE_COOKIES = ORIGIN.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SECURE_HSTS_SECONDS = 31536000 if SECURE_COOKIES else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.text("OPSPORTAL_TIME_ZONE", "UTC")
USE_I18N = USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Static files are served from where they are; a folder to collect them into is only for who serves them otherwise.
STATIC_ROOT = env.text("OPSPORTAL_STATIC_ROOT") or None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

PLAYBOOK = Path(env.text("OPSPORTAL_PLAYBOOK", str(BASE_DIR / "apps" / "playbook" / "default")))
LOGGING_CONFIG = "apps.telemetry.logs.configure"
# The last lines of all processes are kept for the page of lines; 0 keeps none.
LOG_LINES = env.whole("OPSPORTAL_LOG_LINES", default=20_000, least=0, most=1_000_000)
LOGGING: dict[str, object] = {"level": env.text("OPSPORTAL_LOG_LEVEL", "INFO"), "keep": LOG_LINES > 0}
SLOW_REQUEST_MS = env.whole("OPSPORTAL_SLOW_REQUEST_MS", default=1000, least=1, most=600_000)
# Very slow is twice that. A statement that one request or task sends so many times is warned of.
SLOW_QUERY_MS = env.whole("OPSPORTAL_SLOW_QUERY_MS", default=100, least=1, most=600_000)
REPEATED_QUERIES = env.whole("OPSPORTAL_REPEATED_QUERIES", default=10, least=2, most=100_000)
# Machines that read the portal's own figures show this; empty: only people with the permission may.
METRICS_TOKEN = env.text("OPSPORTAL_METRICS_TOKEN")
