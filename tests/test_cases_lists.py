"""What the lists of a job look like, with what is right: no row is left out in silence."""

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from itertools import count

import pyarrow as pa
import pyarrow.dataset
import pytest

from flows.cli.command_line import main
from flows.mirror_many import described, mirror_many
from standin.pictures import Picture, draw
from tests.support.cases import CASES
from tests.support.imgur import contents, new_album
from tests.support.processes import python

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

LISTS = CASES / "lists"
RIGHT = json.loads((LISTS / "right.json").read_bytes())
IDS = ("PdA9Amq", "AbCdEfG", "HiJkLmN")


@pytest.fixture(scope="module")
def images(imgur):
    """Four images; each is known by one letter in what the tests write."""
    return list(contents(imgur, new_album(imgur, count=4, bytes=3000)))


@pytest.fixture
def written(imgur, images, tmp_path):
    """Write a list in which HOST/img000N.jpg stands for an image, and give its path."""

    def write(name, content):
        text = content if isinstance(content, str) else content.decode()
        for number, image in enumerate(images, 1):
            text = text.replace(f"https://HOST/img000{number}.jpg", f"{imgur}/{image}")
        (tmp_path / name).write_bytes(text.encode())
        return tmp_path / name

    return write


def status(*arguments):
    try:
        return main(mirror_many, described, list(map(str, arguments)))
    except SystemExit as refused:
        return int(str(refused.code))


def report(downloads, job):
    """All rows of a job, in the order of the input."""
    found = pyarrow.dataset.dataset(sorted((downloads / "_many" / job).glob("*.parquet")))
    return found.to_table().sort_by("row").to_pylist()


def jobs(downloads):
    return sorted(downloads.glob("_many/*"))


def outcome(downloads, job):
    """The number of images that are stored, and the errors of the rows that failed."""
    rows = report(downloads, job)
    kept = {(row["folder"], row["name"]) for row in rows if row["outcome"] == "downloaded"}
    assert all((downloads / folder / name).is_file() for folder, name in kept)
    return len(kept), [row["error"] for row in rows if row["outcome"] != "downloaded"]


def link(number):
    return f"https://HOST/img000{number}.jpg"


# The cases


def test_every_case_has_its_test():
    """What was added to the cases has to be judged as well."""
    judged = {*WHOLE, "quote.csv", "ids.csv", "glued.txt"}
    assert judged == set(RIGHT) == {path.name for path in LISTS.iterdir()} - {"right.json"}


WHOLE = {"quote.tsv": 2, "semicolon.csv": 2, "sep.csv": 1, "lines.jsonl": 2, "notes.txt": 3}


@pytest.mark.parametrize("name", WHOLE)
def test_a_list_is_read(name, written, downloads):
    assert RIGHT[name].startswith(f"{WHOLE[name]} image")
    path = written(name, (LISTS / name).read_bytes())
    assert status(path) == 0
    assert outcome(downloads, path.stem) == (WHOLE[name], [])


def test_an_unclosed_quote_costs_no_row(written, downloads):
    path = written("quote.csv", (LISTS / "quote.csv").read_bytes())
    assert status(path) == 1
    stored, (error,) = outcome(downloads, "quote")
    assert stored == 4
    assert "line 3" in error


def test_two_links_on_one_line_are_a_row_that_failed(written, downloads):
    path = written("glued.txt", (LISTS / "glued.txt").read_bytes())
    assert status(path) == 1
    stored, (error,) = outcome(downloads, "glued")
    assert stored == 1
    assert "two links" in error


def test_a_column_of_ids_needs_no_header(imgur, downloads, tmp_path):
    albums = [new_album(imgur, count=1, bytes=3000) for _ in IDS]
    text = (LISTS / "ids.csv").read_text()
    for name, album in zip(IDS, albums, strict=True):
        text = text.replace(name, album)
    (tmp_path / "ids.csv").write_text(text)
    assert status(tmp_path / "ids.csv") == 0
    assert all((downloads / album / "album.json").exists() for album in albums)
    assert outcome(downloads, "ids") == (3, [])


def test_what_is_beside_a_link_is_in_the_report(written, downloads):
    assert status(written("lines.jsonl", (LISTS / "lines.jsonl").read_bytes())) == 0
    captions = {row["link"].strip(): row.get("caption") for row in report(downloads, "lines")}
    assert sorted(map(str, captions.values())) in (["None", "a"], ["", "a"])


# Their neighbours: quotes


QUOTES = {
    "in the first row": (f'url,caption\n{link(1)},"a\n{link(2)},b\n{link(3)},c\n', 3, 2),
    "in the last row": (f'url,caption\n{link(1)},a\n{link(2)},b\n{link(3)},"c\n', 3, 4),
    "with semicolons": (f'id;url;caption\n1;{link(1)};"a\n2;{link(2)};b\n', 2, 2),
    "with windows' line ends": (
        f'url,caption\r\n{link(1)},a\r\n{link(2)},"b\r\n{link(3)},c\r\n', 3, 3,
    ),
    "before the link": (f'url,caption\n{link(1)},a\n"{link(2)},b\n{link(3)},c\n', None, 3),
}  # fmt: skip


@pytest.mark.parametrize("case", QUOTES)
def test_a_quote_that_is_not_closed_costs_one_row(case, written, downloads):
    """It is named with its line, and reading goes on."""
    content, images, line = QUOTES[case]
    assert status(written("quotes.csv", content)) == 1
    stored, errors = outcome(downloads, "quotes")
    assert len(errors) == 1
    assert re.search(rf"line {line}\b", errors[0])
    # A row whose link is inside the quote may have named it all the same.
    assert stored == images or (images is None and stored in (2, 3))


def test_all_rows_behind_an_unclosed_quote_are_named(written, downloads):
    """Three thousand of them, and no row that another one swallowed."""
    rows = [f"{link(1 + number % 3)},c{number}" for number in range(3000)]
    rows[1000] = f'{link(2)},"open'
    assert status(written("large.csv", "url,caption\n" + "\n".join(rows) + "\n")) == 1
    found = report(downloads, "large")
    assert sum(row["outcome"] == "downloaded" for row in found) in (2999, 3000)
    (failed,) = [row for row in found if row["outcome"] != "downloaded"]
    assert "line 1002" in failed["error"]


def test_a_quoted_line_end_is_no_fault(written, downloads):
    content = f'url,caption\n{link(1)},"two\nlines"\n"{link(2)}","say ""hi"", again"\n'
    assert status(written("proper.csv", content)) == 0
    assert outcome(downloads, "proper") == (2, [])
    captions = [row["caption"] for row in report(downloads, "proper")]
    assert captions == ["two\nlines", 'say "hi", again']


@pytest.mark.parametrize(
    "line",
    [
        f"{link(1)}{link(2)}{link(3)}",
        f"{link(1)}http://i.imgur.com/AbCdEfG.jpg",
        f"{link(1)}https://imgur.com/a/AbCdEfG",
    ],
)
@pytest.mark.parametrize("name", ["glue.txt", "glue.csv"])
def test_links_without_a_line_end_between_them_are_a_row_that_failed(
    name, line, written, downloads
):
    header = "url\n" if name.endswith("csv") else ""
    assert status(written(name, f"{header}{line}\n{link(4)}\n")) == 1
    stored, (error,) = outcome(downloads, "glue")
    assert stored == 1
    assert "links" in error


# Their neighbours: formats

ROWS = [{"url": link(1), "caption": "a"}, {"url": link(2), "caption": "b"}]

FORMATS = {
    "bars.csv": f"id|url\n1|{link(1)}\n2|{link(2)}\n",
    "tabs.csv": f"id\turl\n1\t{link(1)}\n2\t{link(2)}\n",
    "semicolons with commas.csv": f"url;caption\n{link(1)};a, b, c\n{link(2)};d, e, f\n",
    "sep with tabs.csv": f"sep=\t\nid\turl\n1\t{link(1)}\n2\t{link(2)}\n",
    "capitals.csv": f"ID;URL\n1;{link(1)}\n2;{link(2)}\n",
    "fragments.txt": f"{link(1)}#first\n{link(2)}?1#second\n",
    "links alone.csv": f"{link(1)}\n{link(2)}\n",
    "array.json": json.dumps(ROWS),
    "array over lines.json": json.dumps(ROWS, indent=1),
    "array of links.json": json.dumps([row["url"] for row in ROWS]),
    "lines.ndjson": "".join(f"{json.dumps(row)}\n" for row in ROWS),
    "comments.txt": f"# {link(3)}\n\n  {link(1)}\n   # no link\n{link(2)} # {link(4)}\n",
    "quotes.txt": f"'{link(1)}',\n({link(2)})\n",
    "brackets.txt": f'["{link(1)}",\n"{link(2)}"]\n',
    "byte order mark.txt": f"\ufeff{link(1)}\n{link(2)}\n",
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_read(name, written, downloads):
    assert status(written(name, FORMATS[name])) == 0
    assert outcome(downloads, jobs(downloads)[0].name) == (2, [])


def zstd(data):
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(data)
    return packed.getvalue().to_pybytes()


PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("name", ["packed.txt", "packed.csv", "packed.jsonl"])
def test_a_compressed_list_is_read(name, suffix, written, downloads):
    content = {
        "packed.txt": f"{link(1)}\n{link(2)}\n",
        "packed.csv": FORMATS["bars.csv"],
        "packed.jsonl": FORMATS["lines.ndjson"],
    }[name]
    plain = written(name, content)
    packed = plain.with_name(f"{name}{suffix}")
    packed.write_bytes(PACKED[suffix](plain.read_bytes()))
    assert status(packed) == 0
    assert outcome(downloads, jobs(downloads)[0].name) == (2, [])


@pytest.mark.parametrize("source", ["", "*.csv"])
def test_several_files_are_one_list(source, written, downloads, tmp_path):
    """All of a folder, or those that a pattern matches, each read as what it is."""
    for number, name in zip(count(1), ["a.csv", "b.csv"], strict=False):
        written(name, f"url,id\n{link(number)},{number}\n")
    folder = tmp_path / "lists"
    folder.mkdir()
    for path in tmp_path.glob("*.csv"):
        path.rename(folder / path.name)
    assert status(f"{folder}/{source}", "--name", "several") == 0
    assert outcome(downloads, "several") == (2, [])


def test_standard_input_is_read(written, downloads, tmp_path):
    path = written("piped.txt", f"{link(1)}\n{link(2)}\n")
    with path.open("rb") as piped:
        ran = python("-m", "flows.mirror_many", "-", "--name", "piped", stdin=piped)
    assert ran.returncode == 0, ran.stderr
    assert outcome(downloads, "piped") == (2, [])


def test_the_column_with_the_links_can_be_named(written, downloads):
    path = written("named.csv", f"url,source\nhttps://example.com/,{link(1)}\nx,{link(2)}\n")
    assert status(path, "--url-column", "source") == 0
    assert outcome(downloads, "named") == (2, [])


def test_a_column_that_is_not_there_is_refused(written, downloads, capsys):
    path = written("named.csv", f"url,source\n{link(1)},x\n")
    assert status(path, "--url-column", "missing") == 2
    assert "missing" in capsys.readouterr().err
    assert jobs(downloads) == []


@pytest.mark.parametrize("name", ["beside.csv", "beside.tsv", "beside.jsonl"])
def test_other_columns_are_carried_into_the_report(name, written, downloads):
    rows = [{"subreddit": "pics", "url": link(1), "caption": "é"},
            {"subreddit": "aww", "url": link(2), "caption": "ü"}]  # fmt: skip
    mark = {"beside.csv": ",", "beside.tsv": "\t"}.get(name)
    lines = [mark.join(row.values()) for row in (dict(zip(rows[0], rows[0], strict=True)), *rows)] \
        if mark else [json.dumps(row) for row in rows]  # fmt: skip
    assert status(written(name, "\n".join(lines) + "\n")) == 0
    found = report(downloads, "beside")
    assert [(row["subreddit"], row["caption"]) for row in found] == [("pics", "é"), ("aww", "ü")]


# Their neighbours: what is no list


def zipped():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("a.txt", "x")
    return content.getvalue()


NO_LISTS = {
    "a.pdf": (b"%PDF-1.4\n%\xe2\xe3\n1 0 obj\n", "PDF"),
    "a.zip": (zipped(), "(?i)zip"),
    "a.xlsx": (zipped(), "(?i)zip|excel|xlsx|workbook"),
    "a.jpg": (draw(Picture("picture", "jpg", 5000)).read(0, 5000), "(?i)jpe?g|picture|image"),
    "a.html": (b"<!doctype html><html><body>no list</body></html>\n", "(?i)html|page"),
    "a.bin": (bytes(range(256)) * 20, "(?i)binary|bytes|text"),
    "prose.txt": (b"It was a dark and stormy night.\n" * 2000, "(?i)names? nothing|no link|none"),
    "numbers.csv": (b"url,n\n" + b"x,1\n" * 2000, "(?i)names? nothing|no link|none"),
    "object.json": (b'{"a": {"b": 1}}', "(?i)json|no link|none|nothing"),
}


@pytest.mark.parametrize("name", NO_LISTS)
def test_what_is_no_list_is_refused_before_a_job_exists(name, downloads, tmp_path, capsys):
    """With what it looks like."""
    content, says = NO_LISTS[name]
    (tmp_path / name).write_bytes(content)
    assert status(tmp_path / name) == 2
    assert re.search(says, capsys.readouterr().err)
    assert jobs(downloads) == []


def test_a_list_with_some_nonsense_is_one_all_the_same(written, downloads):
    """Each row that names nothing is a row that failed."""
    assert status(written("mixed.txt", f"{link(1)}\nno link\n{link(2)}\n???\n")) == 1
    stored, errors = outcome(downloads, "mixed")
    assert (stored, len(errors)) == (2, 2)
