"""The page that a browser is shown when a request is refused.

It stands alone, since a refused browser may load nothing else: its style is inline, and the content
security policy names the hash of that.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from importlib import resources
from string import Template

_TITLES = {
    401: "This page needs its complete address",
    421: "This page has another address",
    429: "Too many wrong tokens",
}
_ADVICE = {
    429: "After that, open the complete address that <code>fkd-infer live</code> printed in its "
    "terminal.",
}
_USUAL_ADVICE = (
    "The terminal in which <code>fkd-infer live</code> runs shows the address. Open all of it, to "
    "the end of <code>?token=…</code> if it has that, or scan the QR code below it."
)


def refusal_page(status: int, reason: str) -> str:
    """HTML for a status and a reason, which is a sentence without its full stop."""
    return Template(_read("refused.html")).substitute(
        title=_TITLES.get(status, "This request is refused"),
        reason=escape(reason[:1].upper() + reason[1:]),
        advice=_ADVICE.get(status, _USUAL_ADVICE),
        style=_style(),
    )


@cache
def style_source() -> str:
    """The inline style as a content security policy names it."""
    digest = hashlib.sha256(_style().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _style() -> str:
    return _read("theme.css") + _read("refused.css")


@cache
def _read(name: str) -> str:
    return (resources.files("fkd_infer.live") / "page" / name).read_text(encoding="utf-8")
