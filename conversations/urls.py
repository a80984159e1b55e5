"""The pages of conversations."""

from django.urls import path

from conversations import views

app_name = "conversations"
urlpatterns = [
    path("", views.conversation_list, name="list"),
    path("conversations/", views.create, name="create"),
    path("conversations/<uuid:conversation_id>/", views.detail, name="detail"),
    path("conversations/<uuid:conversation_id>/events/", views.older, name="older"),
    path("conversations/<uuid:conversation_id>/rename/", views.rename, name="rename"),
    path("conversations/<uuid:conversation_id>/delete/", views.delete, name="delete"),
]
