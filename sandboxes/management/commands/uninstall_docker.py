"""Removes from the Docker engine what this installation has there, the sandboxes' files among it."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from sandboxes.backends.docker import uninstalling
from sandboxes.errors import SandboxError


class Command(BaseCommand):
    help = "Removes this installation's containers, volumes and network from the Docker engine; end the server first."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, *args: Any, yes: bool, **options: Any) -> None:
        question = (
            f"Remove all sandboxes of the installation {settings.INSTALLATION_ID}, with their files? [y/N] "
        )
        if not yes and input(question).strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was removed.")
        try:
            removed = uninstalling.uninstall()
        except SandboxError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Removed {removed.containers} containers, {removed.volumes} volumes and the network."
        )
