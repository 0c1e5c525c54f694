"""Where images may come from: what a link may look like, and what its host may resolve to."""

import re
import socket
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = [
    "Proxies",
    "RefusedAddress",
    "check_address",
    "check_link",
    "is_listed_with_port",
    "resolve",
]


# Where two readers of an address may differ on its host: one strips them, one takes \ for a slash.
_AMBIGUOUS = re.compile(r"[\0-\x20\x7f\\]")

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class RefusedAddress(ValueError):
    """A link or redirect leads where nothing may be asked of; the sentence says why."""


def check_link(link: str, hosts: Sequence[str]) -> None:
    """Let pass an address on one of the hosts, by https, or by http to a host listed with its port.

    Raises:
        RefusedAddress: for any other.
    """
    if _AMBIGUOUS.search(link):
        raise RefusedAddress(f"{link!r:.200} holds a space, a backslash or a control character")
    scheme, separator, rest = link.partition("://")
    # All that is looked at ends at the first slash: the images of an album pass by one look.
    _check_origin(scheme + separator + rest.partition("/")[0], tuple(hosts))


@lru_cache(maxsize=256)
def _check_origin(link: str, hosts: tuple[str, ...]) -> None:
    """Let pass what precedes the path of a link; an error is not remembered."""
    try:
        parts = urlsplit(link)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise RefusedAddress(f"{link!r:.200} is no web address: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise RefusedAddress(f"{link!r:.200} is neither http nor https")
    if parts.username is not None or parts.password is not None:
        raise RefusedAddress(f"an address on {host} carries a user name or password")
    asked = _default_port(parts.scheme) if port is None else port
    if is_listed_with_port(host, asked, hosts):
        return
    if host not in hosts or port not in (None, 443):
        raise RefusedAddress(f"{_place(host, port)} is not in IMGUR_IMAGE_HOSTS")
    if parts.scheme == "http":
        raise RefusedAddress(f"{link!r:.200} is not https")
    if _is_address(host):
        check_address(host, host)


def is_listed_with_port(host: str, port: int, hosts: Sequence[str]) -> bool:
    """Tell whether that very `host:port` is listed: the user means it, wherever it is."""
    return _place(host, port) in hosts


def check_address(host: str, address: str) -> None:
    """Let pass an internet address that is public.

    Raises:
        RefusedAddress: for loopback, private, link-local and other addresses that are not.
    """
    if not _is_public(ip_address(address.partition("%")[0])):
        raise RefusedAddress(f"{host} resolves to {address}, which is not a public address")


def resolve(host: str, port: int) -> list[str]:
    """Resolve a host to public addresses only; for the transfer that waits.

    Raises:
        OSError: where it does not resolve.
        RefusedAddress: where one of its addresses is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r:.200} is no host name: {error}") from error
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    for address in addresses:
        check_address(host, address)
    return addresses


class Proxies:
    """The proxies that the environment names (`https_proxy`, `no_proxy`), read once.

    To read them goes through the whole environment, too long to do it for each image.
    """

    def __init__(self) -> None:
        self._by_scheme = getproxies()

    def of(self, link: str) -> str | None:
        """Give the proxy for an address; None where it is asked directly."""
        if not self._by_scheme:
            return None
        parts = urlsplit(link)
        return None if proxy_bypass(parts.netloc) else self._by_scheme.get(parts.scheme)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast
    behind = ip.ipv4_mapped or ip.sixtofour
    if ip in _NAT64:
        behind = IPv4Address(int(ip) & 0xFFFF_FFFF)
    if behind is not None:
        return _is_public(behind)
    # Python calls more than unicast global: what was IPv4-compatible or site-local.
    return ip in _UNICAST and ip.is_global


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _place(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"
