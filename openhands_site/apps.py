from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "openhands_site"
