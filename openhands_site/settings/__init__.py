"""The project's settings, one small module by concern. Only these read the environment (`openhands_site.env`)."""

from openhands_site.settings.accounts import *  # noqa: F403
from openhands_site.settings.base import *  # noqa: F403
from openhands_site.settings.conversations import *  # noqa: F403
from openhands_site.settings.home import *  # noqa: F403
from openhands_site.settings.logging import *  # noqa: F403
from openhands_site.settings.mail import *  # noqa: F403
from openhands_site.settings.queues import *  # noqa: F403
from openhands_site.settings.sandboxes import *  # noqa: F403
from openhands_site.settings.security import *  # noqa: F403
from openhands_site.settings.storage import *  # noqa: F403
