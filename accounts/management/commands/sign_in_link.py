"""Prints a link that signs somebody in once."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.errors import AccountError
from accounts.services import LINK_LIFETIME, create_sign_in_link, find_user
from openhands_site.commands import DatabaseCommand


class Command(DatabaseCommand):
    help = "Prints a link, alone on the last line, that signs a user in once within 24 hours."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--user", metavar="E-MAIL", help="whom to sign in (default: the first administrator)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = find_user(options["user"])
        except AccountError as error:
            raise CommandError(str(error)) from error
        hours = int(LINK_LIFETIME.total_seconds() // 3600)
        self.stdout.write(f"Signs {user.email} in, once, within {hours} hours:")
        self.stdout.write(create_sign_in_link(user=user))
