from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "openhands_site.workers"
    label = "workers"
