"""Who may talk to the live page's server: checks before each request, headers for each answer.

A page of another site that is open in the same browser is one attacker here: it may send requests
to this machine (Origin and Sec-Fetch-Site tell), or point a name of its own at it (Host tells).
Another is whoever reaches the port from elsewhere, and does not know the token.
"""

from __future__ import annotations

import hmac
import math
import secrets
import socket
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fkd_infer.live.rate_limit import FailedAttempts

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""What the server sends with each answer, its own refusals included."""


@dataclass(frozen=True)
class _Refusal:
    """Why a request is not answered."""

    status: int
    why: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Guard:
    """Passes on to `app` what this page's own viewers ask for.

    `host` is what the server is bound to; with a `token`, each request needs it, as
    `Authorization: Bearer` or in the page's address. That is answered with a cookie, which is a
    secret of this run and not the token, and does for all further requests. Wrong tokens make an
    address wait, cookies do not: nobody guesses them.
    """

    app: ASGIApp
    host: str
    port: int
    token: str | None = None
    _attempts: FailedAttempts = field(default_factory=FailedAttempts, repr=False)
    _ticket: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] != "http":
            return
        request = Request(scope)

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", self._cookie())
            await send(message)

        refusal = self._refusal(request)
        if refusal is not None:
            told = JSONResponse({"error": refusal.why}, refusal.status, refusal.headers)
            await told(scope, receive, send)
        else:
            by_address = self.token is not None and self._token_in_address(request)
            await self.app(scope, receive, with_cookie if by_address else send)

    def _refusal(self, request: Request) -> _Refusal | None:
        """Why a request is not answered; None where it is."""
        headers = request.headers
        if request.scope["http_version"] not in {"1.0", "1.1"}:
            return _Refusal(505, "only HTTP/1.1 is spoken here", {"Connection": "close"})
        if "content-length" in headers and "transfer-encoding" in headers:
            # Two programs that disagree on which counts would see different requests.
            return _Refusal(400, "a body has one length", {"Connection": "close"})
        if not self._is_own_name(headers.get("host", "")):
            return _Refusal(
                421, "this server does not answer under that name; use the printed address"
            )
        if not _same_origin(headers, request.scope["path"]):
            return _Refusal(403, "another site's page may not use this server")
        return None if self.token is None else self._stranger(request)

    def _stranger(self, request: Request) -> _Refusal | None:
        """Why somebody is not let in; None for whoever knows a secret."""
        if _same(self._from_cookie(request), self._ticket):
            return None
        given = _bearer(request) or _in_address(request)
        address = "" if request.client is None else request.client.host
        if given and (wait := self._attempts.wait(address)):
            seconds = math.ceil(wait)
            return _Refusal(
                429,
                f"too many wrong tokens; try again in {seconds} s",
                {"Retry-After": str(seconds)},
            )
        if given and _same(given, self.token or ""):
            return None
        if given:
            self._attempts.count(address)
        return _Refusal(401, "the token is missing or wrong; open the printed address")

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

    def _token_in_address(self, request: Request) -> bool:
        return _same(_in_address(request), self.token or "")

    def _cookie_name(self) -> str:
        # Cookies are shared by all ports of a machine.
        return f"fkd-live-{self.port}"

    def _cookie(self) -> str:
        return f"{self._cookie_name()}={self._ticket}; Path=/; HttpOnly; SameSite=Strict"

    def _from_cookie(self, request: Request) -> str:
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            return ""
        morsel = cookies.get(self._cookie_name())
        return "" if morsel is None else morsel.value


def _bearer(request: Request) -> str:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given if scheme.lower() == "bearer" else ""


def _in_address(request: Request) -> str:
    """Only the page's own address takes the token, so that it stands in no other."""
    return request.query_params.get("token", "") if request.scope["path"] == "/" else ""


def _same(given: str, expected: str) -> bool:
    """Compares secrets in a time that says nothing about them; an empty one is never right."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is only for this machine."""
    return host.lower() == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def is_everywhere(host: str) -> bool:
    """Whether an address stands for all that this machine has."""
    return _is_address(host) and ip_address(host).is_unspecified


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
