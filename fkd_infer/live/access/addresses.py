"""Addresses of this machine, by which other machines can open the page."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import psutil

_VIRTUAL = (
    "br-",
    "cni",
    "docker",
    "flannel",
    "podman",
    "vbox",
    "vethernet",
    "veth",
    "virbr",
    "vmnet",
)
"""Beginnings of the names of interfaces that only containers and virtual machines can reach."""
_ANYWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses for documentation (RFC 5737, RFC 3849), which the default route leads to."""


def machine_addresses(listener: socket.socket) -> list[str]:
    """Addresses by which others can reach a socket that is bound to all addresses.

    The addresses of the default route come first, IPv4 before IPv6. Without a network it is the
    loopback alone.
    """
    families = _families(listener)
    found = [address for family in families for address in _interface_addresses(family)]
    preferred = [_outgoing_address(family) for family in families]
    found.sort(key=lambda address: address not in preferred)  # stable: IPv4 stays before IPv6
    return found or ["127.0.0.1" if socket.AF_INET in families else "::1"]


def _families(listener: socket.socket) -> list[socket.AddressFamily]:
    """The families of addresses that a socket is reached by."""
    if listener.family != socket.AF_INET6:
        return [socket.AF_INET]
    if listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        return [socket.AF_INET6]
    return [socket.AF_INET, socket.AF_INET6]


def _interface_addresses(family: socket.AddressFamily) -> list[str]:
    """The addresses of all interfaces that are up and lead out of this machine."""
    states = psutil.net_if_stats()
    return [
        address.address
        for name, addresses in psutil.net_if_addrs().items()
        if name in states and states[name].isup and not name.lower().startswith(_VIRTUAL)
        for address in addresses
        if address.family == family and _leads_out(address.address)
    ]


def _leads_out(address: str) -> bool:
    """Whether other machines can use an address; browsers cannot use one of a single link."""
    parsed = ip_address(address.partition("%")[0])
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)


def _outgoing_address(family: socket.AddressFamily) -> str | None:
    """The address that the default route starts from; nothing is sent."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_ANYWHERE[family], 9))
            address: str = probe.getsockname()[0]
    except OSError:  # there is no route
        return None
    return address
