"""An OpenID Connect provider on this machine: no password, a link for each person that it knows."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "allcell", "a secret between the two"


class _Provider(ThreadingHTTPServer):
    def __init__(self, people: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.people = people
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig"})
        self.codes: dict[str, tuple[str, str]] = {}

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: _Provider

    def log_message(self, *args: Any) -> None:
        """Print nothing."""

    def _send(self, body: str, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def _json(self, value: object, status: int = 200) -> None:
        self._send(json.dumps(value), "application/json", status)

    def do_GET(self) -> None:
        issuer = self.server.issuer
        parts = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/.well-known/openid-configuration":
            self._json(
                {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "jwks_uri": f"{issuer}/keys",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )
        elif parts.path == "/keys":
            self._json({"keys": [self.server.key.as_dict(private=False)]})
        elif parts.path == "/authorize":
            links = [self._link(person, asked) for person in self.server.people]
            self._send("<!doctype html><title>Who?</title>" + "".join(links), "text/html")
        else:
            self._json({"error": "not found"}, 404)

    def _link(self, person: str, asked: dict[str, str]) -> str:
        code = secrets.token_urlsafe(16)
        self.server.codes[code] = (person, asked["nonce"])
        target = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
        return f'<p><a href="{target.replace("&", "&amp;")}">{person}</a></p>'

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        asked = parse_qs(self.rfile.read(length).decode())
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        found = self.server.codes.pop(asked["code"][0], None)
        if found is None or self.headers.get("Authorization") != f"Basic {basic}":
            self._json({"error": "invalid_grant"}, 400)
            return
        person, nonce = found
        now = int(time.time())
        claims = {
            **{"iss": self.server.issuer, "aud": CLIENT, "sub": person, "email": person},
            **{"nonce": nonce, "iat": now, "exp": now + 600},
        }
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.server.key)
        answer = {"access_token": "unused", "token_type": "Bearer", "expires_in": 600}
        self._json({**answer, "id_token": token})


@contextmanager
def identity_provider(people: Sequence[str]) -> Iterator[str]:
    """Its address, until the end of the block."""
    provider = _Provider(people)
    thread = threading.Thread(target=provider.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider.issuer
    finally:
        provider.shutdown()
        provider.server_close()
        thread.join()
