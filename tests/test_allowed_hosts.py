"""Where images may come from: what a link may look like, and where its host may be."""

import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgur_mirror.http.allowed_hosts import (
    Proxies,
    RefusedAddress,
    check_address,
    check_link,
    is_listed_with_port,
    resolve,
)

HOSTS = ("i.imgur.com", "127.0.0.1:8765", "[::1]:8765", "10.0.0.1", "2130706433", "[::1]")


@pytest.mark.parametrize(
    "link",
    [
        "https://i.imgur.com/aB3dE.jpg",
        "https://I.IMGUR.com/aB3dE.jpg?1#x",
        "HTTPS://i.imgur.com/x",
        "https://i.imgur.com:443/x",
        "https://i.imgur.com:/x",
        "https://i.imgur.com",
        "https://i.imgur.com/@evil.example/",
        "https://i.imgur.com/%2e%2e/x",
        # Listed with their ports: the user means them, wherever they are.
        "http://127.0.0.1:8765/x.jpg",
        "https://127.0.0.1:8765/x.jpg",
        "http://[::1]:8765/x.jpg",
    ],
)
def test_a_link_to_a_listed_host_is_let_pass(link):
    check_link(link, HOSTS)


@pytest.mark.parametrize(
    ("link", "why"),
    [
        # Other places.
        ("https://evil.example/x", "evil.example is not in IMGUR_IMAGE_HOSTS"),
        ("https://imgur.com/x", "imgur.com is not in"),
        ("https://i.imgur.com.evil.example/x", "is not in"),
        ("https://evil-i.imgur.com/x", "is not in"),
        ("https://i.imgur.com./x", "is not in"),
        ("https://i.imgur.com:8443/x", "i.imgur.com:8443 is not in"),
        ("https://i.imgur.com:80/x", "i.imgur.com:80 is not in"),
        ("https://i.imgur.com:0/x", "i.imgur.com:0 is not in"),
        ("http://127.0.0.1:8766/x", "127.0.0.1:8766 is not in"),
        ("http://127.0.0.1/x", "127.0.0.1 is not in"),
        ("http://127.0.0.1:0/x", "127.0.0.1:0 is not in"),
        ("http://127.0.0.2:8765/x", "127.0.0.2:8765 is not in"),
        ("http://localhost:8765/x", "localhost:8765 is not in"),
        # Other ways to write the listed loopback address are not listed.
        ("http://127.1:8765/x", "is not in"),
        ("http://0x7f000001:8765/x", "is not in"),
        ("http://0177.0.0.1:8765/x", "is not in"),
        ("http://2130706433:8765/x", "is not in"),
        ("http://[::ffff:127.0.0.1]:8765/x", "is not in"),
        ("http://[0:0:0:0:0:0:0:1]:8765/x", "is not in"),
        # Listed without a port, it has to be a public address by https.
        ("https://10.0.0.1/x", "not a public address"),
        ("http://i.imgur.com/x", "is not https"),
        ("http://2130706433/x", "is not https"),
        # Other schemes.
        ("ftp://i.imgur.com/x", "neither http nor https"),
        ("file:///etc/passwd", "neither http nor https"),
        ("data:image/png;base64,AAAA", "neither http nor https"),
        ("javascript:alert(1)", "neither http nor https"),
        ("//i.imgur.com/x", "neither http nor https"),
        ("/x.jpg", "neither http nor https"),
        ("", "neither http nor https"),
        ("https:i.imgur.com/x", "is not in"),
        ("https:///i.imgur.com/x", "is not in"),
        # Whoever is before the @ is a user.
        ("https://i.imgur.com@evil.example/", "user name or password"),
        ("https://user:secret@i.imgur.com/x", "user name or password"),
        ("https://@i.imgur.com/x", "user name or password"),
        ("https://:@i.imgur.com/x", "user name or password"),
        ("http://x@127.0.0.1:8765/x", "user name or password"),
        ("https://i.imgur.com%40evil.example/", "is not in"),
        ("https://i.imgur.com:443@evil.example/", "user name or password"),
        # Two readers of these may find two hosts.
        ("https://i.imgur.com\\@evil.example/", "backslash"),
        ("https://evil.example\\@i.imgur.com/", "backslash"),
        ("https://i.imgur.com\t/x", "control character"),
        ("https://i.imgur.com/x\r\nHost: evil.example", "control character"),
        ("https://i.imgur.com\0.evil.example/", "control character"),
        (" https://i.imgur.com/x", "space"),
        ("https://i.imgur.com /x", "space"),
        # Letters that look alike, and dots that some take for a dot.
        ("https://ı.imgur.com/x", "is not in"),
        ("https://i。imgur.com/x", "is not in"),
        ("https://і.imgur.com/x", "is not in"),
        ("https://i.imgur.com℀.evil.example/", "is no web address"),
        # Ports and brackets that are none.
        ("https://i.imgur.com:99999/x", "is no web address"),
        ("https://i.imgur.com:-1/x", "is no web address"),
        ("https://i.imgur.com:١/x", "is no web address"),
        ("https://i.imgur.com:4_43/x", "is no web address"),
        ("https://[i.imgur.com]/x", "is no web address"),
        ("https://[::1/x", "is no web address"),
    ],
)
def test_a_link_to_elsewhere_is_refused(link, why):
    with pytest.raises(RefusedAddress) as caught:
        check_link(link, HOSTS)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


@given(st.text() | st.text(":/@.[]\\?#%i", max_size=12).map("https://i.imgur.com{}".format))
def test_any_link_is_let_pass_or_refused(link):
    try:
        check_link(link, HOSTS)
    except RefusedAddress:
        return
    place = re.split("[/?#]", link, maxsplit=3)[2]
    assert place.lower().removesuffix(":443").removesuffix(":") == "i.imgur.com"


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "151.101.0.193", "2a04:4e42::193", "2606:4700::1111", "64:ff9b::808:808"],
)
def test_a_public_address_is_let_pass(address):
    check_address("i.imgur.com", address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
        # IPv4 inside of IPv6, in each of its forms.
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:7f00:1::",
    ],
)
def test_an_address_that_is_not_public_is_refused(address):
    with pytest.raises(RefusedAddress, match="which is not a public address"):
        check_address("i.imgur.com", address)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "::1"],
)
def test_a_host_that_resolves_to_this_machine_is_refused(host):
    """By the resolver itself: it knows more ways to write an address than any table."""
    with pytest.raises(RefusedAddress, match=f"{host} resolves to "):
        resolve(host, 80)


def test_a_public_host_resolves_to_its_addresses():
    assert resolve("8.8.8.8", 443) == ["8.8.8.8"]


def test_a_host_that_does_not_resolve_is_an_error_of_the_system():
    for host in ("a" * 64 + ".example", "a..example", "\ud800.example"):
        with pytest.raises(OSError, match="is no host name"):
            resolve(host, 80)


def test_a_real_socket_on_this_machine_is_found_and_refused():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(RefusedAddress):
            resolve("localhost", port)
        check_link(f"http://127.0.0.1:{port}/x", (f"127.0.0.1:{port}",))
        with pytest.raises(RefusedAddress):
            check_link(f"http://localhost:{port}/x", (f"127.0.0.1:{port}",))


def test_a_place_is_listed_by_host_and_port_together():
    assert is_listed_with_port("127.0.0.1", 8765, HOSTS)
    assert is_listed_with_port("::1", 8765, HOSTS)
    assert not is_listed_with_port("127.0.0.1", 80, HOSTS)
    assert not is_listed_with_port("i.imgur.com", 443, HOSTS)


def test_the_environments_proxy_is_used_but_for_what_it_excepts(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert Proxies().of("https://i.imgur.com/x") is None
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1,other.example")
    assert Proxies().of("https://i.imgur.com/x") == "http://proxy.example:3128"
    assert Proxies().of("http://i.imgur.com/x") is None
    assert Proxies().of("https://127.0.0.1:8765/x") is None
    assert Proxies().of("https://other.example/x") is None
