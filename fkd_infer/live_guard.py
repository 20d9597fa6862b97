"""Who may talk to the live page's server: checks before each request, headers on each answer.

A page of another site that is open in the same browser is the attacker here: it may send requests
to this machine (Origin and Sec-Fetch-Site tell), or point a name of its own at it (Host tells).
"""

from __future__ import annotations

import hmac
import socket
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Guard:
    """Passes on to `app` what this page's own viewers ask for.

    `host` is what the server is bound to; with a `token`, each request needs it: once in the
    page's address, from where it becomes a cookie, or as `Authorization: Bearer`.
    """

    app: ASGIApp
    host: str
    port: int
    token: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] != "http":
            return
        request = Request(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if self.token is not None and self._token_in_address(request):
                    headers.append("Set-Cookie", self._cookie())
            await send(message)

        refusal = self._refusal(request)
        if refusal is None:
            await self.app(scope, receive, with_headers)
        else:
            status, why = refusal
            await JSONResponse({"error": why}, status)(scope, receive, with_headers)

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        """Why a request is not answered, with its status."""
        headers = request.headers
        if not self._is_own_name(headers.get("host", "")):
            return 421, "this server does not answer under that name; use the printed address"
        if not _same_origin(headers, request.url.path):
            return 403, "another site's page may not use this server"
        if not self._has_token(request):
            return 401, "the token is missing or wrong; open the printed address"
        return None

    def _is_own_name(self, host: str) -> bool:
        """Whether a Host header names this machine; a rebound name is one that somebody made up.

        The port is not compared, since a tunnel may have another one.
        """
        name = _host_name(host)
        if name is None:
            return False
        if is_loopback(self.host):
            return is_loopback(name)
        own = socket.gethostname().lower()
        names = {self.host.lower(), own, f"{own}.local"}  # .local: told by the machine itself, mDNS
        return is_loopback(name) or _is_address(name) or name in names

    def _has_token(self, request: Request) -> bool:
        if self.token is None:
            return True
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer):
            return True
        return self._token_in_address(request) or self._is_token(self._from_cookie(request))

    def _token_in_address(self, request: Request) -> bool:
        """Only the page's own address takes it, so that it stands in no other."""
        return request.url.path == "/" and self._is_token(request.query_params.get("token", ""))

    def _is_token(self, given: str) -> bool:
        expected = self.token or ""
        return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())

    def _cookie_name(self) -> str:
        # Cookies are shared by all ports of a machine.
        return f"fkd-live-{self.port}"

    def _cookie(self) -> str:
        return f"{self._cookie_name()}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def _from_cookie(self, request: Request) -> str:
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            return ""
        morsel = cookies.get(self._cookie_name())
        return "" if morsel is None else morsel.value


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is only for this machine."""
    return host.lower() == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _host_name(host: str) -> str | None:
    """The name in a Host header, in lower case, without port and brackets."""
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname if parts.netloc == host and "@" not in host else None
    except ValueError:
        return None


def _same_origin(headers: Headers, path: str) -> bool:
    """Whether the page itself asks, or no page at all: a person, or a program such as curl."""
    origin = headers.get("origin")
    if origin is not None and origin not in {f"{s}://{headers['host']}" for s in ("http", "https")}:
        return False
    site = headers.get("sec-fetch-site", "none")
    opened = path == "/" and headers.get("sec-fetch-mode") == "navigate"
    return opened or site in {"same-origin", "none"}
