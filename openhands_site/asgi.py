"""HTTP and WebSockets, for Daphne."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openhands_site.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from conversations.sockets.routing import websocket_urlpatterns  # noqa: E402

# Who is there, and from which page, each socket asks itself (conversations.sockets.credentials): again every minute.
application = ProtocolTypeRouter({"http": django_application, "websocket": URLRouter(websocket_urlpatterns)})
