"""Who may sign in, and how."""

from openhands_site import env
from openhands_site.settings.home import INSTALLATION_ID

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ADMIN_EMAIL = env.email("ADMIN_EMAIL", "admin@localhost.localdomain")
SIGNUP_OPEN = env.flag("SIGNUP_OPEN")

ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
# allauth's own rates (a login: 30 a minute and address, 5 failures in 5 minutes and account) are counted in
# Django's cache, which is each web process's memory: with N web processes a guesser has up to N times as many.
ALLAUTH_TRUSTED_PROXY_COUNT = int(env.flag("BEHIND_PROXY"))
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_NAME = f"session_{INSTALLATION_ID}"
CSRF_COOKIE_NAME = f"csrf_{INSTALLATION_ID}"
SESSION_COOKIE_AGE = 14 * 24 * 3600
