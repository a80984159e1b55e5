"""All URLs: each app brings its own."""

from django.contrib import admin
from django.urls import include, path

from openhands_site.api import api
from openhands_site.work.views import work

handler400 = "openhands_site.outage_pages.bad_request"
handler500 = "openhands_site.outage_pages.server_error"

admin.site.site_title = "OpenHands"
admin.site.site_header = "OpenHands administration"
admin.site.index_title = "All that is stored"

urlpatterns = [
    path("admin/work/", admin.site.admin_view(work), name="work"),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("accounts/", include("accounts.allauth_urls")),
    path("", include("accounts.urls")),
    path("", include("conversations.urls")),
]
