"""Brings every stored secret under the newest of OPENHANDS_SECRET_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.rotation import encrypted_columns, rotate_column


class Command(BaseCommand):
    help = (
        "Re-encrypts every stored secret under the first of OPENHANDS_SECRET_KEYS. Put the new key in front of the "
        "old ones and restart every process first; take the old ones away when this has succeeded. It can be "
        "broken off and run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        undecryptable = 0
        for column in encrypted_columns():
            rotate_column(column)
            self.stdout.write(f"{column}: {column.rotated} re-encrypted, {column.current} were up to date")
            for pk in column.undecryptable:
                self.stderr.write(f"{column} of row {pk} cannot be decrypted with any of the keys")
            undecryptable += len(column.undecryptable)
        if undecryptable:
            raise CommandError(
                f"{undecryptable} secrets could not be decrypted; all others are under the newest key. Add the key "
                "they were encrypted under to OPENHANDS_SECRET_KEYS and run this again, or enter them anew."
            )
