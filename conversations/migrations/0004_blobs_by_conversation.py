"""Moves the files of blobs to where each conversation has its own: `ab/abcd…` was shared by all that held the same."""

from django.core.files.storage import default_storage
from django.db import migrations, transaction


def move(apps, schema_editor):
    rows = apps.get_model("conversations", "Blob").objects.values_list("conversation_id", "sha256")
    shared = set()
    for conversation_id, sha256 in rows.iterator():
        old, new = f"{sha256[:2]}/{sha256}", f"{conversation_id}/{sha256}"
        if default_storage.exists(old):
            shared.add(old)
            if default_storage.exists(new) and default_storage.size(new) != default_storage.size(old):
                default_storage.delete(new)  # a full disk or a kill cut it short
            if not default_storage.exists(new):
                with default_storage.open(old) as file:
                    default_storage.save(new, file)
    transaction.on_commit(lambda: [default_storage.delete(old) for old in shared])


class Migration(migrations.Migration):

    dependencies = [
        ("conversations", "0003_file_removal"),
    ]

    operations = [
        migrations.RunPython(move, migrations.RunPython.noop),
    ]
