"""Every way to name an album, and what is no way."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgur_mirror.api import Address, BadAddress, Kind, original_link, parse_address, parse_album

HOSTS = ["imgur.com", "www.imgur.com", "m.imgur.com", "i.imgur.com", "imgur.io", "m.imgur.io"]
SCHEMES = ["", "http://", "https://", "HTTPS://", "//"]
ENDS = ["", "/", "?grid", "#0", "/?tags=1#comment", "/layout/grid#0"]

PATHS = [
    ("a/PdA9Amq", "album"),
    ("a/PdA9Amq/all", "album"),
    ("a/a-walk-in-the-rain-PdA9Amq", "album"),
    ("a/caf%C3%A9-PdA9Amq", "album"),
    ("gallery/PdA9Amq", "gallery"),
    ("gallery/a-walk-PdA9Amq", "gallery"),
    ("t/funny/PdA9Amq", "gallery"),
    ("topic/The_More_You_Know/PdA9Amq", "gallery"),
    ("r/aww/PdA9Amq", "gallery"),
    ("download/PdA9Amq", "image"),
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("path", "kind"), PATHS)
def test_every_path_is_read_with_any_scheme_and_end(path, kind, scheme, end):
    assert parse_address(f"{scheme}imgur.com/{path}{end}") == Address(kind, "PdA9Amq")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("path", "kind"), PATHS)
def test_all_hosts_are_the_same(host, path, kind):
    assert parse_address(f"https://{host.upper()}/{path}") == Address(kind, "PdA9Amq")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("PdA9Amq", Address("album", "PdA9Amq")),
        ("  aB3dE\n", Address("album", "aB3dE")),
        ("imgur.com/PdA9Amq", Address("image", "PdA9Amq")),
        ("imgur.com/a-walk-in-the-rain-PdA9Amq", Address("image", "PdA9Amq")),
        ("https://i.imgur.com/PdA9Amq.jpg", Address("image", "PdA9Amq")),
        ("i.imgur.com/aB3dE.gifv?1", Address("image", "aB3dE")),
        ("https://imgur.com:443/a/PdA9Amq", Address("album", "PdA9Amq")),
        ("https://imgur.com/user/mirrorfan", Address("account", "mirrorfan")),
        ("imgur.com/user/mirrorfan/albums", Address("account", "mirrorfan")),
        ("https://i.imgur.com/PdA9Amqh.jpg", Address("image", "PdA9Amq")),
        ("https://i.imgur.com/aB3dEs.png?1", Address("image", "aB3dE")),
        ("https://i.imgur.com/PdA9Amh.jpg", Address("image", "PdA9Amh")),
        ("https://i.imgur.com/aB3dh.jpg", Address("image", "aB3dh")),
        ("i.imgur.com/PdA9Amq_d.webp?maxwidth=640&shape=thumb", Address("image", "PdA9Amq")),
        ("imgur.com/user/melody", Address("account", "melody")),
        ("http://mirrorfan.imgur.com/", Address("account", "mirrorfan")),
        ("mirrorfan.imgur.com/all", Address("account", "mirrorfan")),
    ],
)
def test_what_else_is_read(text, address):
    assert parse_address(text) == address
    assert isinstance(parse_address(text).kind, Kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "PdA9Am",
        "PdA9Amqq",
        "PdA9Am_",
        "PdA9Ämq",
        "gallery",
        "imgur.com",
        "imgur.com/a/",
        "imgur.com/a/PdA9Am",
        "imgur.com/gallery",
        "imgur.com/download/about",
        "imgur.com/user/me",
        "me.imgur.com",
        "imgur.com/user/../a",
        "imgur.com/PdA9Amqh",
        "i.imgur.com/PdA9Amqx.jpg",
        "i.imgur.com/PdA9Amqsh.jpg",
        "i.imgur.com/PdA9Am_d.webp",
        "api.imgur.com/3/album/PdA9Amq",
        "api.imgur.com",
        "imgur.com.evil.example/a/PdA9Amq",
        "evilimgur.com/a/PdA9Amq",
        "imgur.com@evil.example/a/PdA9Amq",
        "https://evil.example/a/PdA9Amq",
        "https://user:secret@imgur.com/a/PdA9Amq",
        "https://imgur.com:8080/a/PdA9Amq",
        "ftp://imgur.com/a/PdA9Amq",
        "javascript:PdA9Amq",
        "imgur.com/a/PdA9Amq\x00",
        "imgur.com/a\t/PdA9Amq",
        "imgur.com\\a\\PdA9Amq",
        "https://[::1/a/PdA9Amq",
        "\ud800",
    ],
)
def test_what_is_refused_is_quoted_with_what_is_accepted(text):
    with pytest.raises(BadAddress, match=r"https://imgur\.com/a/ID.*5 or 7 letters") as caught:
        parse_address(text)
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)


COLLECTIONS = [
    ("user/NAME", Address("account", "NAME"), "user-name"),
    ("user/NAME/albums", Address("account", "NAME"), "user-name"),
    ("user/NAME/posts", Address("posts", "NAME"), "user-name-posts"),
    ("user/NAME/submitted/", Address("posts", "NAME"), "user-name-posts"),
    ("user/NAME/submitted/oldest", Address("posts", "NAME", sort="oldest"), "user-name-posts"),
    ("user/NAME/favorites", Address("favorites", "NAME"), "user-name-favorites"),
    (
        "user/NAME/favorites/newest",
        Address("favorites", "NAME", sort="newest"),
        "user-name-favorites",
    ),
    (
        "user/NAME/favorites/folder/12/cats",
        Address("favorites folder", "NAME", folder="12"),
        "user-name-folder-12",
    ),
    (
        "user/NAME/favorites/folder/12",
        Address("favorites folder", "NAME", folder="12"),
        "user-name-folder-12",
    ),
    ("t/Funny", Address("tag", "Funny"), "t-funny"),
    ("t/funny/viral", Address("tag", "funny", sort="viral"), "t-funny"),
    ("t/funny/top/week", Address("tag", "funny", sort="top", window="week"), "t-funny"),
    ("t/funny/newest?x=1#y", Address("tag", "funny", sort="time"), "t-funny"),
    ("t/caf%C3%A9", Address("tag", "café"), "t-caf-850f7dc4"),
    ("t/caf\u0065\u0301", Address("tag", "cafe\u0301"), "t-caf-850f7dc4"),
    ("r/aww", Address("subreddit", "aww"), "r-aww"),
    ("r/aww/top/all", Address("subreddit", "aww", sort="top", window="all"), "r-aww"),
    ("r/aww/new", Address("subreddit", "aww", sort="time"), "r-aww"),
    ("search?q=cats", Address("search", "cats"), "search-cats"),
    ("search/?q=cute+cats&x=1#2", Address("search", "cute cats"), "search-cute-cats-9090fcb8"),
    ("search?q=a%2Fb%26c", Address("search", "a/b&c"), "search-a-b-c-a44e8b56"),
    (
        "search/score/all?q=cats",
        Address("search", "cats", sort="score", window="all"),
        "search-cats",
    ),
]


@pytest.mark.parametrize(("path", "address", "name"), COLLECTIONS)
def test_a_collection_is_read_with_its_order(path, address, name):
    found = parse_address(f"https://imgur.com/{path}")
    assert found == address
    assert found.is_collection
    assert parse_address(str(found)) == found
    # Never the folder of an album, whose id has 5 or 7 letters and digits.
    assert "-" in name
    assert found.name == name


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("User/NAME", Address("account", "NAME")),
        ("USER/NAME/Posts/Best", Address("posts", "NAME", sort="best")),
        ("user/%4EAME/Favorites/Folder/12/a%2Fb", Address("favorites folder", "NAME", folder="12")),
        ("T/Funny/Top/Week/", Address("tag", "Funny", sort="top", window="week")),
        ("R/aww/New", Address("subreddit", "aww", sort="time")),
        ("Search/Score/All/?q=cats", Address("search", "cats", sort="score", window="all")),
        ("A/PdA9Amq", Address("album", "PdA9Amq")),
        ("Gallery/a-walk-PdA9Amq", Address("gallery", "PdA9Amq")),
        ("R/aww/PdA9Amq", Address("gallery", "PdA9Amq")),
    ],
)
def test_a_path_is_read_in_any_capitals(path, address):
    assert parse_address(f"https://imgur.com/{path}") == address


@pytest.mark.parametrize("path", ["a/PdA9Amq", "gallery/PdA9Amq", "t/funny/PdA9Amq", "PdA9Amq.jpg"])
def test_an_album_is_no_collection(path):
    found = parse_album(f"imgur.com/{path}")
    assert not found.is_collection
    assert found.name == found.id == "PdA9Amq"


@pytest.mark.parametrize("path", [path for path, *_ in COLLECTIONS])
def test_a_collection_is_no_album_and_the_way_to_mirror_it_is_said(path):
    with pytest.raises(BadAddress, match=r"imgur-mirror albums 'https://imgur\.com/") as caught:
        parse_album(f"imgur.com/{path}")
    assert parse_address(str(caught.value).split("'")[-2]) == parse_address(f"imgur.com/{path}")


def test_names_of_folders_are_apart_where_the_words_are():
    texts = ["cute cats", "cute-cats", "cute/cats", "cute_cats", "cats", "C.A.T.S", "猫", "犬"]
    names = {Address("search", text).name for text in texts}
    assert len(names) == len(texts)
    assert all(re.fullmatch("[a-z0-9_-]{3,80}", name) for name in names)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("user/NAME/favorites/folder/1/x/PdA9Amq", "a page behind an account"),
        ("user/NAME/favorites/folder/x", "a page behind an account"),
        ("user/NAME/comments", "a page behind an account"),
        ("user/NAME/albums/PdA9Amq", "a page behind an account"),
        ("user/me", "a page behind a log-in"),
        ("user/Me/posts", "a page behind a log-in"),
        ("user/me/posts/hidden", "a page behind a log-in"),
        ("user/%6De", "names no account"),
        ("user/a%20b", "names no account"),
        ("user/a@b/favorites", "names no account"),
        ("t/funny/random", "a list in an order that the mirror does not know"),
        ("r/aww/top/page/2", "a list in an order that the mirror does not know"),
        ("search/score/all?q_all=cats&q_type=jpg", "an advanced search"),
        ("topic/Funny", "a topic"),
        ("search", "a search without words"),
        ("search?q=+", "a search without words"),
        ("search/cats", "a search that the mirror does not know"),
        ("t/..", "names no tag"),
        ("t/a%2Fb", "names no tag"),
        ("t/%ff", "names no tag"),
        ("t/%00", "names no tag"),
        ("r/a%20b", "names no subreddit"),
        ("r/..", "names no subreddit"),
    ],
)
def test_what_is_no_collection_is_refused_by_what_it_is(path, said):
    with pytest.raises(BadAddress, match=rf"{said}.*https://imgur\.com/user/NAME: its public"):
        parse_address(f"https://imgur.com/{path}")


@pytest.mark.parametrize(
    ("link", "original"),
    [
        *((f"https://i.imgur.com/PdA9Amq{s}.jpg", "PdA9Amq.jpg") for s in "sbtmlhgr"),
        ("https://i.imgur.com/aB3dEm.png?1", "aB3dE.png?1"),
        ("https://i.imgur.com/PdA9Amq_d.webp?maxwidth=640&fidelity=high", "PdA9Amq.jpg"),
        ("https://i.imgur.com/PdA9Amh.jpg", "PdA9Amh.jpg"),
        ("https://i.imgur.com/aB3dh.jpg", "aB3dh.jpg"),
        ("https://i.imgur.com/PdA9Amqx.jpg", "PdA9Amqx.jpg"),
        ("https://i.imgur.com/PdA9Amqh", "PdA9Amqh"),
    ],
)
def test_a_thumbnail_leads_to_its_original(link, original):
    assert original_link(link) == f"https://i.imgur.com/{original}"


def test_a_long_text_is_quoted_in_short():
    with pytest.raises(BadAddress) as caught:
        parse_address("https://imgur.com/a/" + "x" * 100_000)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("album", "../x"),
        ("image", "PdA9Am"),
        ("account", "me"),
        ("account", "ME"),
        ("account", "a/b"),
        ("x", "aB3dE"),
        ("tag", "../x"),
        ("tag", ".."),
        ("subreddit", "a/b"),
        ("search", " "),
    ],
)
def test_an_address_made_by_hand_leads_nowhere_else(kind, word):
    with pytest.raises(BadAddress):
        Address(kind, word)


@pytest.mark.parametrize("more", [{"sort": "../x"}, {"window": "a/b"}, {"folder": "x"}])
def test_an_order_made_by_hand_leads_nowhere_else(more):
    with pytest.raises(BadAddress):
        Address("tag", "cats", **more)


# Texts made of the pieces of addresses get further into the parser than random ones.
PIECES = st.sampled_from(
    [
        "https://",
        "//",
        "imgur.com",
        "i.",
        "m.",
        ".io",
        "/",
        "a",
        "/a/",
        "/gallery/",
        "/t/x/",
        "/r/x/",
        "user/",
        "User/",
        "top",
        "Top",
        "/posts",
        "/favorites",
        "/folder/1",
        "/search",
        "?q=",
        "%20",
        "PdA9Amq",
        "aB3dE",
        "-",
        ".jpg",
        "?",
        "#",
        "@",
        ":80",
        "\\",
        "%2e",
        "..",
        "\x00",
        "[",
        "ſ",
        " ",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=8).map("".join)))
def test_any_text_is_an_address_or_refused(text):
    try:
        found = parse_address(text)
    except BadAddress:
        return
    assert found.id in text or found.is_collection
    assert re.fullmatch("[A-Za-z0-9_-]{3,150}", found.name)
    assert parse_address(str(found)) == found
