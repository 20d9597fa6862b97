"""Checks each request to the live page, and sets the headers of each answer.

It keeps out two attackers. A page of another site, open in the same browser, can send requests to
this machine (its Origin and Sec-Fetch-Site give it away) or resolve a name of its own to it (its
Host does). Someone else who reaches the port does not know the token.
"""

from __future__ import annotations

import hmac
import math
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fkd_infer.live.access.hosts import is_own_name
from fkd_infer.live.access.rate_limit import FailedAttempts
from fkd_infer.live.access.refusal_page import refusal_page, style_source

_CLOSE = {"Connection": "close"}


def security_headers() -> dict[str, str]:
    """Headers of every answer to a valid request."""
    return {
        "Content-Security-Policy": f"default-src 'self'; style-src 'self' {style_source()}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }


@dataclass(frozen=True)
class _Refusal:
    """The answer to a request that is refused."""

    status: int
    reason: str
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, accepted: str) -> Response:
        """A page for browsers, which accept HTML, and JSON for programs."""
        headers = {**self.headers, "Vary": "Accept"}
        if "text/html" in accepted:
            return HTMLResponse(refusal_page(self.status, self.reason), self.status, headers)
        return JSONResponse({"error": self.reason}, self.status, headers)


@dataclass(frozen=True)
class Guard:
    """Middleware that passes on only the requests of this page's own viewers.

    `host` is the address that the server is bound to. With a `token`, each request needs it, as
    `Authorization: Bearer` or in the page's address. The page's address is answered with a cookie
    that authorises further requests: a secret of this run, not the token. Wrong tokens are limited
    by address; cookies are not, since they are too long to guess.
    """

    app: ASGIApp
    host: str
    port: int
    token: str | None = None
    _attempts: FailedAttempts = field(default_factory=FailedAttempts, repr=False)
    _session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request that is refused, or passes it on."""
        if scope["type"] != "http":
            return
        request = Request(scope)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", self._cookie())
            await send(message)

        refusal = self._refusal(request)
        if refusal is not None:
            answer = refusal.answer(request.headers.get("accept", ""))
            await answer(scope, receive, send)
        else:
            by_address = self.token is not None and _equal(_token_in_address(request), self.token)
            await self.app(scope, receive, send_with_cookie if by_address else send)

    def _refusal(self, request: Request) -> _Refusal | None:
        headers = request.headers
        if request.scope["http_version"] not in {"1.0", "1.1"}:
            return _Refusal(505, "only HTTP/1.0 and HTTP/1.1 are supported", _CLOSE)
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy that prefers the other one would see different requests.
            return _Refusal(400, "give one length of the body, not two", _CLOSE)
        if not is_own_name(headers.get("host", ""), self.host):
            return _Refusal(
                421, "this server does not answer under that name; use the printed address"
            )
        if not _is_same_origin(headers, request.scope["path"]):
            return _Refusal(403, "another site's page may not use this server")
        return None if self.token is None else self._token_refusal(request, self.token)

    def _token_refusal(self, request: Request, token: str) -> _Refusal | None:
        if _equal(self._session_in_cookie(request), self._session):
            return None
        candidate = _bearer_token(request) or _token_in_address(request)
        address = "" if request.client is None else request.client.host
        if candidate and (wait := self._attempts.wait(address)):
            seconds = math.ceil(wait)
            reason = f"too many wrong tokens; try again in {seconds} s"
            return _Refusal(429, reason, {"Retry-After": str(seconds)})
        if candidate and _equal(candidate, token):
            return None
        if candidate:
            self._attempts.count(address)
        return _Refusal(401, "the token is missing or wrong; open the printed address")

    def _cookie_name(self) -> str:
        # Cookies are shared by all ports of a machine.
        return f"fkd-live-{self.port}"

    def _cookie(self) -> str:
        return f"{self._cookie_name()}={self._session}; Path=/; HttpOnly; SameSite=Strict"

    def _session_in_cookie(self, request: Request) -> str:
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            return ""
        morsel = cookies.get(self._cookie_name())
        return "" if morsel is None else morsel.value


def _bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _token_in_address(request: Request) -> str:
    """The token in the address of the page; other addresses must not carry it."""
    return request.query_params.get("token", "") if request.scope["path"] == "/" else ""


def _equal(candidate: str, secret: str) -> bool:
    """Compares in constant time; an empty secret equals nothing."""
    return bool(secret) and hmac.compare_digest(candidate.encode(), secret.encode())


def _is_same_origin(headers: Headers, path: str) -> bool:
    """Whether a request comes from the page itself, a person, or a program such as curl."""
    origin = headers.get("origin")
    if origin is not None and origin not in {f"{s}://{headers['host']}" for s in ("http", "https")}:
        return False
    site = headers.get("sec-fetch-site", "none")
    is_link = path == "/" and headers.get("sec-fetch-mode") == "navigate"
    return is_link or site in {"same-origin", "none"}
