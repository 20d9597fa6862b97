"""Which addresses of this machine are printed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

pytest.importorskip("psutil", reason="needs the live extra: pip install 'fkd[live]'")

from fkd_infer.live.access import addresses
from fkd_infer.live.access.addresses import machine_addresses

INTERFACES = {
    "lo": ["127.0.0.1", "::1"],
    "tailscale0": ["100.99.1.2"],
    "wlan0": ["192.168.1.5", "2001:db8:1::5", "fe80::1%wlan0", "169.254.3.4"],
    "docker0": ["172.17.0.1"],
    "veth12ab": ["172.18.0.1"],
    "eth1": ["10.9.9.9"],
}


@pytest.fixture(autouse=True)
def interfaces(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Interfaces of a laptop, of which eth1 is down; the default route is by wlan0."""
    up = dict(INTERFACES)

    def listed() -> dict[str, list[SimpleNamespace]]:
        def family(address: str) -> socket.AddressFamily:
            return socket.AF_INET6 if ":" in address else socket.AF_INET

        return {
            name: [SimpleNamespace(family=family(a), address=a) for a in found]
            for name, found in up.items()
        }

    monkeypatch.setattr("psutil.net_if_addrs", listed)
    monkeypatch.setattr(
        "psutil.net_if_stats",
        lambda: {name: SimpleNamespace(isup=name != "eth1") for name in up},
    )
    outgoing = {socket.AF_INET: "192.168.1.5", socket.AF_INET6: "2001:db8:1::5"}
    monkeypatch.setattr(addresses, "_outgoing_address", outgoing.get)
    return up


@pytest.fixture
def ipv4() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET) as listener:
        yield listener


def test_the_address_of_the_default_route_comes_first(ipv4: socket.socket) -> None:
    assert machine_addresses(ipv4) == ["192.168.1.5", "100.99.1.2"]


@pytest.mark.parametrize(
    ("only_ipv6", "expected"),
    [(1, ["2001:db8:1::5"]), (0, ["192.168.1.5", "2001:db8:1::5", "100.99.1.2"])],
)
def test_a_socket_of_ipv6_may_be_reached_by_ipv4(only_ipv6: int, expected: list[str]) -> None:
    try:
        listener = socket.socket(socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
        assert machine_addresses(listener) == expected


def test_without_a_network_the_loopback_remains(
    ipv4: socket.socket, interfaces: dict[str, list[str]]
) -> None:
    for name in ("tailscale0", "wlan0"):
        del interfaces[name]
    assert machine_addresses(ipv4) == ["127.0.0.1"]


def test_lists_the_addresses_that_this_machine_has(
    ipv4: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert all(address.count(".") == 3 for address in machine_addresses(ipv4))
