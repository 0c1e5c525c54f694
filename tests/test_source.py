"""The input of a very large job: its formats, read as a stream, refused with a sentence."""

import bz2
import csv
import gzip
import json
import lzma
import pickle
from random import Random
from string import ascii_letters, digits

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imgur_mirror.api import Address, BadAddress, Kind
from imgur_mirror.bulk import BadSource, Shard, cut_into_shards, open_source
from imgur_mirror.bulk.links import ForeignLink, read_link

LINKS = [f"https://i.imgur.com/{number:07}.jpg" for number in range(2345)]


def as_parquet(path):
    pq.write_table(pa.table({"n": range(len(LINKS)), "URL": LINKS}), path, row_group_size=999)


def as_csv(path):
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([["n", "link"], *enumerate(LINKS)])


def as_tsv(path):
    path.write_text("".join(f"{number}\t{link}\r\n" for number, link in [("x", "image"), *rows()]))


def as_lines(path):
    path.write_text("\n\n".join(LINKS))


def as_utf16(path):
    path.write_text("\r\n".join(LINKS), encoding="utf-16")


def as_headless_csv(path):
    path.write_text("\n".join(LINKS))


def rows():
    return enumerate(LINKS)


def read(path):
    return [text.strip() for rows in open_source(str(path)).rows() for text in rows.texts]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.parquet", as_parquet),
        ("parquet-by-its-first-bytes", as_parquet),
        ("a.csv", as_csv),
        ("a.tsv", as_tsv),
        ("headless.csv", as_headless_csv),
        ("a.txt", as_lines),
        ("utf-16.txt", as_utf16),
    ],
)
def test_every_format_gives_the_same_rows(name, write, tmp_path):
    write(tmp_path / name)
    assert read(tmp_path / name) == LINKS
    cut = list(cut_into_shards(open_source(str(tmp_path / name)), 1000))
    assert [(shard.first, shard.count) for shard in cut] == [
        (0, 1000),
        (1000, 1000),
        (2000, 345),
    ]
    assert [text.strip() for shard in cut for text in shard.texts] == LINKS
    assert [shard.digest for shard in cut] == [
        shard.digest for shard in cut_into_shards(open_source(str(tmp_path / name)), 1000)
    ]


def test_a_shard_travels_packed_and_comes_with_all_its_rows():
    """A Dask scheduler keeps some five hundred of them: as objects of Python, a gigabyte."""
    random = Random(1)
    ids = ("".join(random.choices(ascii_letters + digits, k=7)) for _ in range(10_000))
    texts = [*(f"https://i.imgur.com/{word}.jpg" for word in ids), 'a\nb,"c"', "ä\x00\ud800"]
    shard = Shard.pack(3, 30_000, texts, 0.5)
    assert list(shard.texts) == texts
    assert pickle.loads(pickle.dumps(shard)) == shard
    assert len(pickle.dumps(shard)) < sum(map(len, texts)) / 3


def test_rows_that_hold_nothing_are_rows(tmp_path):
    """A null and a record that is too short keep the numbers of those that follow."""
    pq.write_table(pa.table({"url": ["a", None, "b"]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == ["a", "", "b"]
    (tmp_path / "a.csv").write_text("n,url\n1,a\n2\n3,b\n")
    assert read(tmp_path / "a.csv") == ["a", "", "b"]


def test_what_is_no_csv_is_rows_all_the_same(tmp_path):
    (tmp_path / "a.csv").write_text('n,url\n1,a\n2,"' + "x" * 200_000 + "\n3,b\n")
    found = read(tmp_path / "a.csv")
    assert found[0] == "a"
    assert all(len(text) <= 4000 for text in found)


@pytest.mark.parametrize("seed", range(50))
def test_no_line_is_swallowed_by_stray_quotes(seed, tmp_path):
    """However many there are, and wherever: each line has its row, or its fault."""
    random = Random(seed)
    mark, link_first = random.choice(",;|\t"), random.random() < 0.5
    captions = ["a", "", "it's", "b c", '"quoted"', '"with ""quotes"""']
    rows = [(link, random.choice(captions)) for link in LINKS[: random.randint(2, 40)]]
    lines = [mark.join(row if link_first else row[::-1]) for row in rows]
    for _ in range(random.randint(1, 4)):
        number = random.randrange(len(lines))
        at = random.randint(0, len(lines[number]))
        lines[number] = f'{lines[number][:at]}"{lines[number][at:]}'
    header = ("url", "caption") if link_first else ("caption", "url")
    (tmp_path / "a.csv").write_text("\n".join([mark.join(header), *lines]))
    source = open_source(str(tmp_path / "a.csv"))
    found = [record.line for some in source.rows() for record in some.records]
    assert found == list(range(2, len(rows) + 2))


@pytest.mark.parametrize("header", [("url", "caption"), ("caption", "url")])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_proper_table_is_read_as_csv_reads_it(header, mark, quoting, tmp_path):
    """Cells over several lines as well, before the link and behind it."""
    captions = ["a", "two\nlines", 'say "x"', "a,b;c|d", '"', "", "a\n\nb\n"]
    rows = [{"url": link, "caption": captions[n % 7]} for n, link in enumerate(LINKS[:50])]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, header, delimiter=mark, quoting=quoting)
        writer.writeheader()
        writer.writerows(rows)
    records = [
        each for some in open_source(str(tmp_path / "a.csv")).rows() for each in some.records
    ]
    assert not any(record.fault for record in records)
    assert [{"url": each.text, **each.beside} for each in records] == rows


@pytest.mark.parametrize("broken", ['{"url": "a', '{"url": }', "}", "nonsense", '{"url": "a\nb"}'])
def test_a_line_that_is_no_json_costs_that_line(broken, tmp_path):
    lines = [json.dumps({"url": link}) for link in LINKS]
    lines[1000] = broken
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    records = [
        each for some in open_source(str(tmp_path / "a.jsonl")).rows() for each in some.records
    ]
    assert [each.text for each in records if not each.fault] == [*LINKS[:1000], *LINKS[1001:]]
    assert {each.line for each in records if each.fault} <= {1001, 1002}
    assert any(each.fault for each in records)


def zstd(data):
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(data)
    return packed.getvalue().to_pybytes()


PACKED = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
          ".zst": zstd}  # fmt: skip


def broken_table(mark, quoted=True):
    """Lines of a table, and what each becomes: a link, a fault, or nothing."""
    lines = []
    for number, link in enumerate(LINKS):
        match number % 11:
            case 3:
                lines.append((f'{number}{mark}{link}{mark}"open', "" if quoted else link))
            case 5:
                lines.append((f"{number}", ""))
            case 7:
                lines.append(("", None))
            case 9:
                lines.append((f"{number}{mark}{link}{mark}x{mark}more{mark}cells", link))
            case _:
                lines.append((f"{number}{mark}{link}{mark}x", link))
    return [(mark.join(("n", "url", "caption")), None), *lines]


def broken_json():
    whole = [({"url": link}, link) for link in LINKS]
    lines = [(json.dumps(value), link) for value, link in whole]
    for number in range(0, len(lines), 7):
        lines[number] = (('{"url": "open', "{'url': 1}", '{"n": 1}', "null")[number % 4], "")
    for number in range(3, len(lines), 50):
        lines[number] = ("", None)
    return lines


def broken_array():
    inner = [(f"{line}," if line else line, link) for line, link in broken_json()]
    return [("[", None), *inner, ("]", None)]


def broken_text():
    lines = [(link, link) for link in LINKS]
    for number in range(0, len(lines), 5):
        lines[number] = (("", "# comment", "  # more", "\t", " ")[number % 5], None)
    return lines


BROKEN = {
    "a.csv": broken_table(","),
    "semicolons.csv": broken_table(";"),
    "bars.csv": broken_table("|"),
    "tabs.csv": broken_table("\t"),
    "a.tsv": broken_table("\t", quoted=False),
    "table.txt": broken_table(";"),
    "a.jsonl": broken_json(),
    "array.json": broken_array(),
    "a.txt": broken_text(),
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", BROKEN)
def test_each_line_of_a_file_is_a_row_or_a_fault_or_nothing(name, packed, end, tmp_path):
    """However much of it cannot be read: what is read adds up to the lines of the file."""
    lines = BROKEN[name]
    content = end.join(line for line, _ in lines).encode()
    (tmp_path / f"{name}{packed}").write_bytes(PACKED[packed](content))

    source = open_source(str(tmp_path / f"{name}{packed}"))
    records = [each for some in source.rows() for each in some.records]

    right = {n: link for n, (_, link) in enumerate(lines, 1) if link is not None}
    assert [each.line for each in records] == list(right)
    whole = {each.line: each.text.strip() for each in records if not each.fault and each.text}
    assert whole == {n: link for n, link in right.items() if link}


SOME = "https://i.imgur.com/img0001.jpg", "https://i.imgur.com/img0002.jpg"

AROUND = {
    "comments.csv": "# exported today\nurl,caption\n{0},a\n# a note\n\n{1},#b\n",
    "comments alone.csv": "# {0}\n\n{0}\n#\n{1}\n",
    "a column of numbers.csv": "#,url\n1,{0}\n#2,{1}\n",
    "sep in quotes.csv": '"sep=|"\nid|url\n1|{0}\n2|{1}\n',
    "a large cell.csv": 'caption,url\n"{2}",{0}\nb,{1}\n',
    "a header.txt": "# exported\nURL\n{0}\n{1}\n",
    "a header that may be an id.txt": "links\n{0}\n{1}\n",
    "an array.txt": '["{0}", "{1}"]',
    "curly quotes.txt": "“{0}”,\n«{1}»\n",
    "blanks that are none.txt": "\u00a0{0}\u00a0\n\u200b{1}\n",
}


@pytest.mark.parametrize("name", AROUND)
def test_what_is_around_the_links_is_no_row(name, tmp_path):
    content = AROUND[name].format(*SOME, "x" * 200_000)
    (tmp_path / name).write_text(content)
    source = open_source(str(tmp_path / name))
    records = [each for some in source.rows() for each in some.records]
    assert not any(record.fault for record in records)
    assert [read_link(record.text, HOSTS).link for record in records] == list(SOME)


@pytest.mark.parametrize(
    ("broken", "value"),
    [('{"url": }', 0), ('{"url": "a}', 0), ('{"url" "a", "n": {}}', 0), ("'a'", 1), ("x", 1)],
)
def test_a_value_that_is_no_json_costs_itself_on_one_line(broken, value, tmp_path):
    """All of an array may stand on one line."""
    whole = [(json.dumps({"url": link}), json.dumps(link))[value] for link in LINKS]
    (tmp_path / "a.json").write_text(f"[{', '.join([*whole[:1000], broken, *whole[1000:]])}]")
    records = [
        each for some in open_source(str(tmp_path / "a.json")).rows() for each in some.records
    ]
    assert [each.text for each in records if not each.fault and each.text in LINKS] == LINKS
    assert len([each for each in records if each.fault]) == 1


@pytest.mark.parametrize("cut", [100, 1000])
def test_a_compressed_list_that_is_cut_short_is_said(cut, tmp_path):
    packed = gzip.compress("\n".join(LINKS).encode())
    (tmp_path / "a.txt.gz").write_bytes(packed[:-cut])
    with pytest.raises(BadSource, match=r"cannot read .*a\.txt\.gz"):
        list(open_source(str(tmp_path / "a.txt.gz")).rows())


def test_one_line_without_end_is_read_in_bounded_rows(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x" * 1_000_000)
    assert all(len(text) <= 4000 for text in read(tmp_path / "a.txt"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.txt", None, "No such file"),
        ("a.csv", b"name,address\nx,y\n", "its columns are 'name', 'address'"),
        ("a.parquet", b"PAR1 and no more", "Parquet"),
        ("a.parquet", b"", "Parquet"),
    ],
)
def test_what_cannot_be_used_is_said(name, content, said, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadSource, match=said):
        open_source(str(tmp_path / name))


def test_a_folder_and_a_column_of_lists_are_said(tmp_path):
    with pytest.raises(BadSource, match="directory"):
        open_source(str(tmp_path))
    pq.write_table(pa.table({"url": [["a"], ["b"]]}), tmp_path / "a.parquet")
    with pytest.raises(BadSource, match="make it one of text"):
        open_source(str(tmp_path / "a.parquet"))


def test_a_parquet_file_that_is_cut_short_is_said(tmp_path):
    as_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    damaged = whole[:100] + b"\0" * 8000 + whole[8100:]
    source = open_source(str(tmp_path / "a.parquet"))
    (tmp_path / "a.parquet").write_bytes(damaged)
    with pytest.raises(BadSource, match=r"a\.parquet"):
        list(source.rows())


HOSTS = ("i.imgur.com", "127.0.0.1:9")


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("https://i.imgur.com/abcdefg.jpg", "https://i.imgur.com/abcdefg.jpg"),
        (" i.imgur.com/abcdefg.JPG?1 \n", "https://i.imgur.com/abcdefg.JPG?1"),
        ("http://i.imgur.com/abcdefg.gifv", "https://i.imgur.com/abcdefg.mp4"),
        ("https://imgur.com/abcdefg.png", "https://i.imgur.com/abcdefg.png"),
        ("http://127.0.0.1:9/abc.webp", "http://127.0.0.1:9/abc.webp"),
        ('"https://i.imgur.com/abcdefg.jpg",', "https://i.imgur.com/abcdefg.jpg"),
        ("<https://i.imgur.com/abcdefg.jpg>", "https://i.imgur.com/abcdefg.jpg"),
        ("(i.imgur.com/abcdefg.jpg) # a note", "https://i.imgur.com/abcdefg.jpg"),
        (
            "https://i.imgur.com/abcdefg.jpg?r=http://x.y/",
            "https://i.imgur.com/abcdefg.jpg?r=http://x.y/",
        ),
    ],
)
def test_links_to_images(text, link):
    assert read_link(text, HOSTS).link == link


@pytest.mark.parametrize(
    ("text", "bare", "kind"),
    [
        ("PdA9Amq", Kind.ALBUM, Kind.ALBUM),
        ("PdA9Amq", Kind.IMAGE, Kind.IMAGE),
        ("https://imgur.com/a/PdA9Amq", Kind.IMAGE, Kind.ALBUM),
        ("imgur.com/gallery/title-PdA9Amq", Kind.ALBUM, Kind.GALLERY),
        ("https://imgur.com/PdA9Amq", Kind.ALBUM, Kind.IMAGE),
        ("https://i.imgur.com/PdA9Amq", Kind.ALBUM, Kind.IMAGE),
    ],
)
def test_what_the_api_is_asked_for(text, bare, kind):
    assert read_link(text, HOSTS, bare) == Address(kind, "PdA9Amq")


@pytest.mark.parametrize(
    "text",
    [
        *("https://example.com/a.jpg", "http://v.redd.it/x", "gfycat.com/x", "ftp://x/y"),
        *("//cdn.example.org/a.jpg", "https://web.archive.org/web/2015/http://i.imgur.com/a.jpg"),
    ],
)
def test_links_to_other_sites_are_told_apart(text):
    with pytest.raises(ForeignLink):
        read_link(text, HOSTS)


@pytest.mark.parametrize(
    "text", ["imgur.com/about", "https://help.imgur.com/x", "no link", "a.jpg"]
)
def test_what_is_no_link_is_none_to_another_site(text):
    with pytest.raises(BadAddress) as refused:
        read_link(text, HOSTS)
    assert not isinstance(refused.value, ForeignLink)


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "not a link", "https://example.com/a.jpg", "imgur.com/user/NAME", "ftp://x/y"),
        *("https://i.imgur.com/", "https://[::1/a.jpg", "https://i.imgur.com/a b.jpg", "\0"),
        *("imgur.com/a/AbCdEfGimgur.com/a/AbCdEfG", "https://i.imgur.com/a.jpg?1http://x.y/b.jpg"),
        *("https://i.imgur.com/../../etc/passwd", "https://i.imgur.com/x.exe", "x" * 4000),
    ],
)
def test_garbage_is_refused_with_a_sentence(text):
    with pytest.raises(BadAddress, match=r"\w+ \w+"):
        read_link(text, HOSTS)
