"""The addresses of the sockets."""

from django.urls import path, re_path

from conversations.sockets.consumers import EventsConsumer, NotFoundConsumer

websocket_urlpatterns = [
    path("sockets/events/<uuid:conversation_id>", EventsConsumer.as_asgi(), name="events"),
    re_path(r"", NotFoundConsumer.as_asgi(), name="not_found"),
]
