from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "openhands_site"

    def ready(self) -> None:
        from openhands_site import checks  # noqa: F401 - registers them
