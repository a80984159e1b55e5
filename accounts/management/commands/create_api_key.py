"""Makes an API key and prints it."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from accounts.errors import AccountError
from accounts.models import APIKey
from accounts.services import create_api_key, find_user
from openhands_site.commands import DatabaseCommand


class Command(DatabaseCommand):
    help = "Makes an API key and prints it, alone on the last line. It is not shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", metavar="E-MAIL", help="whose key (default: the first administrator's)")
        parser.add_argument("--name", default="command line", help="what it is for (default: %(default)s)")
        parser.add_argument(
            "--expires-days", type=int, metavar="N", help="days until it ends (default: never)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        days, name = options["expires_days"], options["name"].strip()
        if days is not None and not 1 <= days <= 3650:
            raise CommandError("--expires-days takes a number from 1 to 3650.")
        longest = APIKey._meta.get_field("name").max_length
        if not 1 <= len(name) <= (longest or 100):
            raise CommandError(f"--name takes 1 to {longest} characters.")
        try:
            user = find_user(options["user"])
        except AccountError as error:
            raise CommandError(str(error)) from error
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        _, key = create_api_key(user=user, name=name, expires_at=expires_at)
        end = "It does not expire." if days is None else f"It expires in {days} days."
        self.stdout.write(f"A key of {user.email}, shown this once. {end}")
        self.stdout.write(key)
