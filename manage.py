#!/usr/bin/env python
"""Django's command line, on this project's settings."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openhands_site.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, ProgrammingError

    try:
        settings._setup()  # type: ignore[misc]
    except ImproperlyConfigured as error:
        sys.exit(f"{error}")
    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(
            f"The database failed: {str(error).strip()}. `make run` prepares it, and with it `manage.py migrate`; "
            "OPENHANDS_HOME and DATABASE_URL must be those of the server. (--traceback shows where it failed.)"
        )


if __name__ == "__main__":
    main()
