"""Names from outside become names that stay in their folder and apart from each other."""

import re
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgur_mirror.api import UnsafeName, distinct, file_name
from imgur_mirror.text import printable
from tasks.artifact_key import artifact_key


@pytest.mark.parametrize(
    ("link", "media", "name"),
    [
        ("https://i.imgur.com/aB3dE.jpg", "image/jpeg", "aB3dE.jpg"),
        ("https://i.imgur.com/aB3dE.jpeg", "image/jpeg", "aB3dE.jpeg"),
        ("https://i.imgur.com/aB3dE.PNG?1#x", None, "aB3dE.png"),
        # The extension is the link's, whatever the type says.
        ("https://i.imgur.com/aB3dE.png", "image/jpeg", "aB3dE.png"),
        ("https://i.imgur.com/aB3dE.gifv", "video/mp4", "aB3dE.mp4"),
        ("https://i.imgur.com/aB3dE", "image/gif; charset=binary", "aB3dE.gif"),
        ("https://i.imgur.com/aB3dE.exe", "IMAGE/WEBP", "aB3dE.webp"),
        ("https://i.imgur.com/a.png/../jpg", "image/gif", "aB3dE.gif"),
        ("https://i.imgur.com/?x=.jpg", "image/gif", "aB3dE.gif"),
    ],
)
def test_a_file_is_named_as_at_imgur(link, media, name):
    assert file_name("aB3dE", link, media) == name


@pytest.mark.parametrize(
    "word",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "a\x00",
        "a\n",
        "a.b",
        "ä",
        "x" * 65,
        "C:",
        "con",
        "NUL",
        "Aux",
        "com1",
        "LPT9",
        "\ud800",
    ],
)
def test_an_id_that_is_no_plain_word_is_refused(word):
    with pytest.raises(UnsafeName) as caught:
        file_name(word, "https://i.imgur.com/x.jpg", "image/jpeg")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "link", ["", "x", "https://i.imgur.com/aB3dE.gifv", "a.exe", ".jpg.", "\x00"]
)
@pytest.mark.parametrize("media", [None, "", "text/html", "image", "\x1b[0m"])
def test_an_unknown_kind_of_file_is_refused(link, media):
    with pytest.raises(UnsafeName, match="what kind of file") as caught:
        file_name("aB3dE", link, media)
    assert str(caught.value).isprintable()


NASTY = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            ["..", "/", "\\", "\x00", "\n", "C:", "nul", "aB3dE", ".jpg", "?", "~", ":x"]
        )
    ).map("".join),
)


@given(NASTY, NASTY, st.one_of(st.none(), NASTY, st.sampled_from(["image/png", "video/mp4"])))
def test_no_name_leaves_its_folder(word, link, media):
    try:
        name = file_name(word, link, media)
    except UnsafeName:
        return
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        assert path.name == name
        assert path.stem == word
        assert not path.is_absolute()
    assert not PureWindowsPath(name).is_reserved()
    assert len(name) <= 70


def test_names_that_differ_in_case_alone_are_told_apart():
    assert distinct(["AbC.jpg", "aBc.jpg", "x.png", "abc.jpg"]) == [
        "AbC.jpg",
        "aBc~2.jpg",
        "x.png",
        "abc~0.jpg",
    ]


def test_a_mark_does_not_hang_on_the_order_of_the_rest():
    assert dict(zip("abc", distinct(["ABC.jpg", "abC.jpg", "aBC.jpg"]), strict=True)) == dict(
        zip("acb", distinct(["ABC.jpg", "aBC.jpg", "abC.jpg"]), strict=True)
    )


IDS = st.text(alphabet="aAbB-_1", min_size=1, max_size=4)


@given(st.lists(st.one_of(IDS.map("{}.jpg".format), NASTY)))
def test_distinct_names_are_distinct_everywhere(names):
    marked = distinct(names)
    assert len({name.casefold() for name in marked}) == len(names)
    firsts = {}
    for before, after in zip(names, marked, strict=True):
        assert firsts.setdefault(before.casefold(), after) == after or after != before


@given(IDS | st.text(), IDS | st.text())
def test_artifact_keys_are_distinct_and_allowed(one, other):
    assert (artifact_key(one) == artifact_key(other)) == (one == other)


@given(st.text())
def test_an_artifact_key_has_lower_case_letters_digits_and_dashes(text):
    assert set(artifact_key(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_an_artifact_key_is_readable():
    assert artifact_key("PdA9Amq") == "pda9amq-54"
    assert artifact_key("ab3de") == "ab3de"
    assert artifact_key("My links.2024").startswith("my-links-2024-")


def test_names_of_jobs_have_keys_of_their_own():
    alike = ["Holiday", "holiday", "holiday-40", "a.b", "a-b", "a_b", "A-b", "ab", "_", "-", "__"]
    others = ["", "x", "写真", "相册", "фото", "été", "ete", "٣", "\ud800"]
    keys = [artifact_key(name) for name in alike + others]
    assert len({*keys}) == len(keys)
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", key) for key in keys)


@given(st.text(), st.integers(1, 50))
def test_printable_is_one_short_line(text, limit):
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
