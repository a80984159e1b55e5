from django.test import Client
from structlog.testing import capture_logs

from accounts import services
from accounts.models import User


def test_the_request_log_holds_no_token(client: Client, owner: User) -> None:
    path = "/" + services.create_sign_in_link(user=owner).split("/", 3)[3]
    with capture_logs() as logs:
        client.get(path)
        client.get("/accounts/password/reset/key/abc-secret-token/")
        client.get("/settings/?tab=keys")
    requests = [entry["request"] for entry in logs if "request" in entry]
    assert "GET /sign-in/…/" in requests
    assert "GET /accounts/password/reset/key/…/" in requests
    assert "GET /settings/?tab=keys" in requests
    assert path.split("/")[2] not in str(logs)
