"""The endpoint of a process in Zipkin's terms; for recorders that send spans in Zipkin's JSON."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, SOCK_DGRAM, socket  # gevent's would look the address up
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_range, check_type
from ._zipkin_json import endpoint


def local_endpoint(service_name: str, ip: str | None, port: int | None) -> dict[str, Any]:
    """The endpoint that describes this process.

    `ip` is its address: this host's for None, and none for an empty text. Raises TypeError or
    ValueError for an argument that cannot serve, and names it.
    """
    check_type("service_name", service_name, str)
    return endpoint(service_name, _checked_ip(ip), port=_checked_port(port))


def _checked_ip(ip: str | None) -> IPv4Address | IPv6Address | None:
    if ip is None:
        return _host_address()
    try:
        return None if ip == "" else ip_address(ip)
    except ValueError:
        reraise_interrupt()
        raise ValueError(f"ip must be an IPv4 or IPv6 address, not {ip!r}") from None


# Of networks that are for documentation alone. Connecting a datagram socket sends nothing.
_ELSEWHERE = ((AF_INET, "192.0.2.1"), (AF_INET6, "2001:db8::1"))


def _host_address() -> IPv4Address | IPv6Address | None:
    """The address from which this host would reach another network; None if it has none."""
    for family, elsewhere in _ELSEWHERE:
        try:
            connection = socket(family, SOCK_DGRAM)
            try:
                connection.connect((elsewhere, 9))
                address = ip_address(connection.getsockname()[0])
            finally:
                connection.close()
        except (OSError, ValueError):
            reraise_interrupt()
            continue
        if not (address.is_loopback or address.is_unspecified or address.is_link_local):
            return address
    return None


def _checked_port(port: int | None) -> int | None:
    if port is not None:
        check_type("port", port, int)
        check_range("port", port, 0 < port < 1 << 16, "from 1 to 65535")
    return port
