"""A registry with one image, which it hands out slowly."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECES = 8
PIECE_SECONDS = 0.15
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CONFIG = "application/vnd.docker.container.image.v1+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@contextmanager
def registry(megabytes: int) -> Iterator[str]:
    """The name of an image to be pulled from it, with nothing in it but a file of this size."""
    blobs, manifest = _image(megabytes)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place, _, digest = self.path.rpartition("/")
            if self.path == "/v2/":
                self._answer(b"{}", "application/json")
            elif place == "/v2/large/manifests":
                self._answer(manifest, MANIFEST)
            elif place == "/v2/large/blobs" and digest in blobs:
                self._answer(blobs[digest], "application/octet-stream")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        do_HEAD = do_GET

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", _digest(body))
            self.end_headers()
            if self.command == "GET":
                piece = len(body) // PIECES + 1
                for start in range(0, len(body), piece):
                    self.wfile.write(body[start : start + piece])
                    time.sleep(PIECE_SECONDS if len(body) > 1_000_000 else 0)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}/large:1"
        finally:
            server.shutdown()
            thread.join()


def _image(megabytes: int) -> tuple[dict[str, bytes], bytes]:
    """Its blobs by their digest, and its manifest."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("large")
        entry.size = megabytes * 1_000_000
        archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    layer = gzip.compress(tar.getvalue(), 1)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar.getvalue())]},
    }
    described = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(described), "digest": _digest(described)},
        "layers": [{"mediaType": LAYER, "size": len(layer), "digest": _digest(layer)}],
    }
    return {_digest(layer): layer, _digest(described): described}, json.dumps(manifest).encode()


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
