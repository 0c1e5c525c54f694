"""Where requests may go: what a link may look like, and what its host may resolve to."""

import re
import socket
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from imgur_mirror.settings import host_and_port

__all__ = [
    "Proxies",
    "RefusedAddress",
    "check_address",
    "check_link",
    "is_listed_with_port",
    "is_web_address",
    "origin",
    "resolve",
]

# A backslash is refused as well: some URL parsers take it for a slash.
_WEB_ADDRESS = re.compile(r"https?://[!-\[\]-~]{1,2000}", re.IGNORECASE | re.ASCII)

# Where URL parsers disagree on the host: some strip these, some take \ for a slash.
_AMBIGUOUS = re.compile(r"[\0-\x20\x7f\\]")

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class RefusedAddress(ValueError):
    """A link, a redirect or a host leads where no request may go; the sentence says why."""


def is_web_address(text: str) -> bool:
    """Return whether a text is an http or https URL of at most 2,000 visible ASCII characters."""
    return _WEB_ADDRESS.fullmatch(text) is not None


def check_link(link: str, hosts: Sequence[str]) -> None:
    """Allow https URLs on the hosts, and also http ones on a host that is listed with its port.

    `hosts` are `host` or `host:port`, in lower case.

    Raises:
        RefusedAddress: for any other link.
    """
    if _AMBIGUOUS.search(link):
        raise RefusedAddress(f"{link!r:.200} holds a space, a backslash or a control character")
    scheme, separator, rest = link.partition("://")
    # Without the path, so that one cached check serves all images of an album.
    _check_origin(scheme + separator + rest.partition("/")[0], tuple(hosts))


@lru_cache(maxsize=256)
def _check_origin(link: str, hosts: tuple[str, ...]) -> None:
    """Check a link up to its path; what raises is not cached."""
    try:
        parts = urlsplit(link)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise RefusedAddress(f"{link!r:.200} is no web address: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise RefusedAddress(f"{link!r:.200} is neither http nor https")
    if parts.username is not None or parts.password is not None:
        raise RefusedAddress(f"an address on {host} carries a user name or password")
    if is_listed_with_port(host, _default_port(parts.scheme) if port is None else port, hosts):
        return
    if host not in hosts or port not in (None, 443):
        raise RefusedAddress(f"{host_and_port(host, port)} is not in IMGUR_IMAGE_HOSTS")
    if parts.scheme == "http":
        raise RefusedAddress(f"{link!r:.200} is not https")
    if _is_ip_address(host):
        check_address(host, host)


def is_listed_with_port(host: str, port: int, hosts: Sequence[str]) -> bool:
    """Return whether this very `host:port` is listed: the user trusts it, whatever its address."""
    return host_and_port(host, port) in hosts


def origin(url: str) -> str:
    """Return the `host:port` of a URL, in lower case, with the default port where it names none."""
    parts = urlsplit(url)
    return host_and_port((parts.hostname or "").lower(), parts.port or _default_port(parts.scheme))


def check_address(host: str, address: str) -> None:
    """Allow public IP addresses only.

    Raises:
        RefusedAddress: for loopback, private, link-local and other addresses that are not public.
    """
    if not _is_public(ip_address(address.partition("%")[0])):
        raise RefusedAddress(f"{host} resolves to {address}, which is not a public address")


def resolve(host: str, port: int) -> list[str]:
    """Resolve a host, which must have public addresses only; blocks.

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

    Reading them, and whether a host is exempt, scans the whole environment, which is too slow to do
    for each image.
    """

    def __init__(self) -> None:
        self._by_scheme = getproxies()
        self._is_exempt: dict[str, bool] = {}

    def of(self, link: str) -> str | None:
        """Return the URL of the proxy for a link; None where there is none to use."""
        parts = urlsplit(link)
        proxy = self._by_scheme.get(parts.scheme)
        if proxy is None:
            return None
        if parts.netloc not in self._is_exempt:
            self._is_exempt[parts.netloc] = bool(proxy_bypass(parts.netloc))
        return None if self._is_exempt[parts.netloc] else proxy


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast
    embedded = ip.ipv4_mapped or ip.sixtofour
    if ip in _NAT64:
        embedded = IPv4Address(int(ip) & 0xFFFF_FFFF)
    if embedded is not None:
        return _is_public(embedded)
    # Python's is_global is wider: it includes IPv4-compatible and site-local addresses.
    return ip in _UNICAST and ip.is_global


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
