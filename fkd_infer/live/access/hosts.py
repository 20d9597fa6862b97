"""Host names and addresses: which ones are this machine's own."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host name or address."""
    return host.lower() == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def is_any_address(host: str) -> bool:
    """Whether an address, such as 0.0.0.0, means all addresses of this machine."""
    return _is_address(host) and ip_address(host).is_unspecified


def is_own_name(header: str, bound_host: str) -> bool:
    """Whether a Host header names this machine, whose server is bound to a host.

    Refuses other names, which a foreign site may resolve to this machine (DNS rebinding). The port
    is not compared, since a tunnel may have another one.
    """
    name = _host_name(header)
    if name is None:
        return False
    if is_loopback(bound_host):
        return is_loopback(name)
    own = socket.gethostname().lower()
    names = {bound_host.lower(), own, f"{own}.local"}  # .local: mDNS
    return is_loopback(name) or _is_address(name) or name in names


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _host_name(header: str) -> str | None:
    """The name in a Host header, in lower case, without port and brackets."""
    try:
        parts = urlsplit(f"//{header}")
        return parts.hostname if parts.netloc == header and "@" not in header else None
    except ValueError:
        return None
