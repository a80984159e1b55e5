"""Static files and blobs."""

from openhands_site.settings.base import DEBUG
from openhands_site.settings.home import BASE_DIR, OPENHANDS_HOME

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static" / "dist", BASE_DIR / "static" / "img"]
STATIC_ROOT = BASE_DIR / "staticfiles"
# Names that change with the content, whoever put the hash there: Django (.0123456789ab.) or esbuild (-0A1B2C3D.).
WHITENOISE_IMMUTABLE_FILE_TEST = r"\.[0-9a-f]{12}\.|-[0-9A-Z]{8}\."
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": OPENHANDS_HOME / "blobs"},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
