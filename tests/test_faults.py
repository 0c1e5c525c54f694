"""Everything that may go wrong with an image, under each strategy: one outcome for all four.

The faults of the matrix are in one album, which each strategy mirrors once.
"""

import hashlib
import json
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from flows.mirror_album import mirror_album
from imgur_mirror.models import Strategy
from standin.process import running
from tasks.artifact_key import artifact_key
from tests.support.prefect_api import artifacts

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

KIB, MIB = 1 << 10, 1 << 20
MOST = 8 * MIB
LARGE, CUT = 3 * MIB, 5 * MIB // 2
WORKERS = 8


@dataclass(frozen=True)
class Case:
    """An image's faults, one after another, and what becomes of it.

    `attempts` are the requests for it, `error` is in what is said of it, `verified` what vouches
    for its bytes. `ranges` are where the ranges begin that are asked for (None: anywhere). `part`
    is how much of it is kept for the next run.
    """

    faults: list = field(default_factory=list)
    outcome: str = "downloaded"
    attempts: int = 1
    error: str = ""
    verified: str = "etag"
    size: int = 20 * KIB
    ranges: tuple | None = ()
    type: str = "image/jpeg"
    part: int | None = None


def fault(kind, times=None, **options):
    return {"kind": kind, "times": times, **options}


def once(kind, **options):
    """A fault that has passed by the second try."""
    return Case([fault(kind, 1, **options)], attempts=2)


def always(kind, error, attempts=4, **options):
    """A fault that does not pass; what may pass is tried four times."""
    return Case([fault(kind, **options)], "failed", attempts, error)


def gone(kind, error, **options):
    return Case([fault(kind, **options)], "gone", 1, error)


def resumed(*faults, attempts=2, ranges=(CUT,), size=LARGE, **options):
    """A large image that is cut after 2.5 MiB, and then these faults."""
    return Case(
        [fault("close-mid", 1, bytes=CUT), *faults],
        attempts=attempts,
        size=size,
        ranges=ranges,
        **options,
    )


CASES = {
    "nothing": Case(),
    "429 with seconds": once("status", status=429, retry_after=0),
    "429 with a date": once("status", status=429, retry_after=formatdate(usegmt=True)),
    "429 without": once("status", status=429),
    "429 with nonsense": once("status", status=429, retry_after="soon"),
    "429 always": always("status", "answered 429, all workers wait", status=429, retry_after=0),
    "429 for a day": always(
        "status", "asks to wait 86400 seconds; run this again after that", 1, status=429,
        retry_after=86400,
    ),
    "500": once("status", status=500),
    "500 always": always("status", "the image host answered 500", status=500),
    "502": once("status", status=502),
    "503 with seconds": once("status", status=503, retry_after=0),
    "503 without": once("status", status=503),
    "504": once("status", status=504),
    "408": once("status", status=408),
    "400": always("status", "the image host answered 400", 1, status=400),
    "401": always("status", "the image host answered 401", 1, status=401),
    "403": always("status", "the image host answered 403", 1, status=403),
    "404": gone("status", "Imgur answered 404", status=404),
    "404 with a page": gone("html", "Imgur answered 404", status=404),
    "410": gone("status", "Imgur answered 410", status=410),
    "reset": once("reset"),
    "reset always": always("reset", "the connection failed: "),
    "close": once("close"),
    "reset in the middle": once("reset-mid"),
    "reset in the middle always": always("reset-mid", "the connection failed: "),
    "short": once("close-mid"),
    "short always": always("close-mid", "the connection failed: "),
    "empty": once("empty"),
    "empty always": always("empty", "the body is empty"),
    "page": once("html"),
    "page always": always("html", "an HTML page came instead of a picture"),
    "removed": gone("removed", "Imgur redirects to its picture for removed images"),
    "removed through another": gone("removed-via", "Imgur redirects to its picture for removed"),
    "redirects for ever": always("redirect-loop", "more than 5 redirects", 1),
    "redirect to another host": always(
        "redirect", "refused: 127.0.0.1:9 is not in IMGUR_IMAGE_HOSTS", 1,
        location="http://127.0.0.1:9/x.jpg",
    ),
    "redirect to a file": always("redirect", "refused: ", 1, location="file:///etc/passwd"),
    "an ETag that is no digest": Case([fault("wrong-etag")], attempts=2, verified="two fetches"),
    "an ETag that changes": Case([fault("changing-etag")], attempts=2, verified="two fetches"),
    "an ETag of several parts": Case([fault("multipart-etag")], verified="length"),
    "no ETag": Case([fault("no-etag")], verified="length"),
    "damaged": once("corrupt"),
    "damaged twice": Case(
        [fault("corrupt", 1, at=1000), fault("corrupt", 1, at=2000)], attempts=3
    ),
    "damaged always": Case(
        [fault("corrupt", 1, at=at) for at in range(1000, 1010)],
        "failed", 8, "two fetches differ from each other and from the ETag",
    ),
    "no length": Case([fault("no-length")]),
    "endless": always("endless", f"more than IMGUR_MAX_BYTES ({MOST})", 1),
    "too large": always("too-large", f"it is {10 << 30} bytes, more than IMGUR_MAX_BYTES", 1),
    "a bomb": always("gzip", "the body is encoded as 'gzip', which was not asked for", 1),
    "compressed": always("gzipped", "the body is encoded as 'gzip'", 1),
    "another kind": Case([fault("wrong-kind")], type="image/png"),
    "slow": Case([fault("slow", rate=200_000)]),
    "cut": resumed(),
    # A reset may overtake what was sent before it.
    "cut by a reset": Case([fault("reset-mid", 1, bytes=CUT)], attempts=2, size=LARGE, ranges=None),
    "cut, and another ETag": resumed(fault("multipart-etag"), verified="length"),
    "cut twice": resumed(
        fault("close-mid", 1, bytes=MIB), attempts=3, size=4 * MIB, ranges=(CUT, CUT + MIB)
    ),
    "cut, and no ranges": resumed(fault("no-range")),
    "cut, and a wrong range": resumed(fault("bad-range", 1), attempts=3),
    "cut, and another range": resumed(
        fault("bad-range", 1, content_range=f"bytes 0-524287/{LARGE}"), attempts=3
    ),
    "cut, and a range of a larger file": resumed(
        fault("bad-range", 1, content_range=f"bytes {CUT}-{LARGE - 1}/{LARGE + MIB}"),
        attempts=3, ranges=None,
    ),
    "cut, and past the end": resumed(fault("range-416", 1), attempts=3),
    "cut, and edited": resumed(fault("new-version")),
    "cut, and damaged": resumed(fault("corrupt", 1, at=LARGE - 10), attempts=3),
    "cut for ever": resumed(
        fault("status", status=500), outcome="failed", attempts=4, error="answered 500",
        ranges=(CUT,) * 3, part=CUT,
    ),
    "cut and gone": resumed(
        fault("status", status=404), outcome="gone", error="Imgur answered 404"
    ),
}  # fmt: skip


# The stand-in


@dataclass(frozen=True)
class Standin:
    address: str

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/_/{path}", data, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def album(self, name, **about):
        return self.call("PUT", f"albums/{name}", about)

    def served(self, images):
        """The requests for images, by id, in the order in which they came."""
        ids = {image["id"]: [] for image in images}
        for entry in self.call("GET", "served"):
            if entry["id"] in ids:
                ids[entry["id"]].append(entry)
        return ids

    def body(self, name):
        with urllib.request.urlopen(f"{self.address}/{name}") as response:
            return response.read()


@contextmanager
def used(standin, **changes):
    """The environment in which the flows use the stand-in."""
    values = {
        "API_URL": f"{standin.address}/",
        "IMAGE_HOSTS": json.dumps([standin.address.removeprefix("http://")]),
        "CLIENT_ID": "standin",
        "BACKOFF": "0.02",
        "RETRIES": "3",
        # Longer than any answer takes on a busy machine: what else is late is no fault.
        "READ_TIMEOUT": "60",
        "MAX_BYTES": str(MOST),
        # Each image comes whole: what may go wrong with pieces has tests of its own.
        "SPLIT_BYTES": str(MOST),
    } | {name.upper(): str(value) for name, value in changes.items()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(f"IMGUR_{name}", value)
        yield


@pytest.fixture(scope="module")
def standin():
    with running("fast") as address:
        yield Standin(address)


@dataclass(frozen=True)
class Run:
    """One mirror: what Prefect shows of it, what lies on the disk, and what was asked for."""

    state: object
    rows: dict
    manifest: dict
    folder: Path
    images: list
    served: dict

    @property
    def names(self):
        return {path.name for path in self.folder.iterdir()} - {"album.json"}


def artifact(key):
    """The rows of the latest table of a key."""
    return json.loads(artifacts(PREFECT_API_URL.value(), key)[0]["data"])


def mirror(standin, name, images, folder, strategy, workers=WORKERS, **settings):
    with used(standin, **settings):
        state = mirror_album(name, strategy, workers, str(folder), return_state=True)
    table = artifact(f"images-{artifact_key(name)}")
    manifest = json.loads((folder / name / "album.json").read_bytes())
    return Run(
        state,
        {row["file"]: row for row in table},
        {row["id"]: row for row in manifest["images"]},
        folder / name,
        images,
        standin.served(images),
    )


# The matrix


@pytest.fixture(scope="module")
def mirrored(standin, prefect_server, tmp_path_factory):
    """Give the one mirror of a strategy."""
    folder = tmp_path_factory.mktemp("faults")

    @cache
    def run(strategy):
        name = f"Faults{list(Strategy).index(strategy)}"
        images = standin.album(name, bytes=[case.size for case in CASES.values()])
        for image, case in zip(images, CASES.values(), strict=True):
            standin.call("PUT", f"faults/{image['id']}", case.faults)
        return mirror(standin, name, images, folder, strategy)

    return run


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("strategy", Strategy)
def test_every_fault_has_its_outcome(strategy, case, standin, mirrored):
    expected = CASES[case]
    run = mirrored(strategy)
    image = run.images[list(CASES).index(case)]
    row, entry = run.rows[image["name"]], run.manifest[image["id"]]
    file = run.folder / image["name"]

    assert (row["outcome"], row["attempts"]) == (expected.outcome, expected.attempts), row
    assert expected.error in row["error"]
    assert bool(row["error"]) == bool(expected.error)
    redirects = [sent for sent in run.served[image["id"]] if sent["status"] == 302]
    if not redirects:
        assert len(run.served[image["id"]]) == expected.attempts
    if expected.outcome == "downloaded":
        kept = file.read_bytes()
        assert kept == standin.body(image["name"]) or "damaged" in case
        assert hashlib.md5(kept).hexdigest() == entry["md5"]
        assert (entry["file"], entry["bytes"]) == (image["name"], len(kept)) == (
            row["file"], row["bytes"],
        )  # fmt: skip
        assert (entry["verified"], entry["real_type"]) == (expected.verified, expected.type)
    else:
        assert not file.exists()
        assert entry["file"] is None
    assert (entry["gone"] is not None) == (expected.outcome == "gone")
    part = run.folder / f"{image['name']}.part"
    assert part.exists() == (expected.part is not None)
    if part.exists():
        assert _went_on(strategy, part.stat().st_size, expected.part)


@pytest.mark.parametrize("strategy", Strategy)
def test_nothing_else_lies_there_and_the_rest_is_whole(strategy, standin, mirrored):
    run = mirrored(strategy)
    by_case = dict(zip(CASES, run.images, strict=True))
    sources = {
        image["name"]: image["md5"] for image in standin.call("GET", f"albums/{run.folder.name}")
    }
    # What was changed at its source on purpose.
    changed = {by_case[name]["name"] for name in ("another kind", "cut, and edited")}

    whole = {
        image["name"] for name, image in by_case.items() if CASES[name].outcome == "downloaded"
    }
    part = f"{by_case['cut for ever']['name']}.part"
    assert run.names == whole | {part, f"{part}.etag"}
    for name in whole - changed:
        assert hashlib.md5((run.folder / name).read_bytes()).hexdigest() == sources[name]
    assert run.state.is_failed()
    failed = sum(case.outcome == "failed" for case in CASES.values())
    assert f"{failed} of {len(CASES)} images failed" in run.state.message


def _went_on(strategy, start, cut):
    """Whether a cut lost nothing; aiohttp may lose what it has read and not yet given out."""
    return start == cut or (strategy is Strategy.ASYNC and cut - MIB < start < cut)


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if case.size >= MIB])
@pytest.mark.parametrize("strategy", Strategy)
def test_a_large_image_goes_on_where_it_was_cut(strategy, case, mirrored):
    run, expected = mirrored(strategy), CASES[case].ranges
    sent = run.served[run.images[list(CASES).index(case)]["id"]]
    starts = [int(entry["range"][len("bytes=") : -1]) for entry in sent if entry["range"]]

    if expected is not None:
        assert len(starts) == len(expected)
        assert all(map(_went_on, [strategy] * len(starts), starts, expected))
    if case in ("cut", "cut twice"):
        # No byte that was there came again.
        assert [entry["status"] for entry in sent] == [200] + [206] * len(starts)


@pytest.mark.parametrize("strategy", Strategy)
def test_a_small_image_starts_over(strategy, mirrored):
    run = mirrored(strategy)

    for image, case in zip(run.images, CASES.values(), strict=True):
        if case.size < MIB:
            assert [sent["range"] for sent in run.served[image["id"]] if sent["range"]] == []


@pytest.mark.parametrize("strategy", Strategy)
def test_credentials_stay_with_the_api(strategy, mirrored):
    for entries in mirrored(strategy).served.values():
        assert not any(entry["had_authorization"] for entry in entries)


@pytest.mark.parametrize("strategy", Strategy)
def test_the_next_run_asks_for_what_failed_only(strategy, standin, mirrored):
    before = mirrored(strategy)
    kept = {name: (before.folder / name).stat() for name in before.names}
    for image in before.images:
        standin.call("DELETE", f"faults/{image['id']}")
    standin.call("DELETE", "served")

    run = mirror(standin, before.folder.name, before.images, before.folder.parent, strategy)

    for (name, case), image in zip(CASES.items(), run.images, strict=True):
        asked = len(run.served[image["id"]])
        expected = {"downloaded": "unchanged"}.get(case.outcome, "downloaded")
        assert (name, run.rows[image["name"]]["outcome"]) == (name, expected)
        assert (name, asked) == (name, case.outcome != "downloaded")
        if case.outcome == "downloaded":
            assert (run.folder / image["name"]).stat() == kept[image["name"]]
    cut = run.images[list(CASES).index("cut for ever")]
    there = kept[f"{cut['name']}.part"].st_size
    assert [sent["range"] for sent in run.served[cut["id"]]] == [f"bytes={there}-"]
    assert run.state.is_completed()
    assert run.names == {image["name"] for image in run.images}


# Stalls

LIMIT = 3
"""Seconds until a silent connection is given up. A stall of the stand-in never ends by itself."""

STALLS = {"stall": 0, "stall-mid": 10 * KIB}
"""Of each kind, how much is sent before the connection falls silent."""


@pytest.mark.parametrize("strategy", Strategy)
def test_a_connection_that_falls_silent_is_given_up(strategy, standin, tmp_path):
    """A busy machine may be as silent for as long: there may be more attempts than are needed."""
    name = f"Stalls{list(Strategy).index(strategy)}"
    images = standin.album(name, count=len(STALLS), bytes=20 * KIB)
    for image, kind in zip(images, STALLS, strict=True):
        standin.call("PUT", f"faults/{image['id']}", fault(kind, 1))

    run = mirror(standin, name, images, tmp_path, strategy, read_timeout=LIMIT, retries=20)

    assert run.state.is_completed()
    assert run.names == {image["name"] for image in images}
    for image, (kind, sent) in zip(images, STALLS.items(), strict=True):
        row, asked = run.rows[image["name"]], run.served[image["id"]]
        assert (kind, row["outcome"], row["error"]) == (kind, "downloaded", "")
        assert row["attempts"] >= 2
        assert asked[0]["sent"] == sent
        assert len(asked) >= 2
        assert not any(entry["range"] for entry in asked)
        assert run.manifest[image["id"]]["verified"] == "etag"
        assert (run.folder / image["name"]).read_bytes() == standin.body(image["name"])


# Batches


@pytest.mark.parametrize("strategy", Strategy)
def test_an_image_that_fails_for_ever_costs_its_batch_nothing(strategy, standin, tmp_path):
    name = f"Batchd{list(Strategy).index(strategy)}"
    images = standin.album(name, count=10, bytes=5000)
    bad, once = images[3], images[4]
    standin.call("PUT", f"faults/{bad['id']}", fault("status", status=500))
    standin.call("PUT", f"faults/{once['id']}", fault("reset", 1))

    run = mirror(standin, name, images, tmp_path, strategy, 2, max_task_runs=2, retries=2)

    asked = {image["id"]: len(run.served[image["id"]]) for image in images}
    assert asked == dict.fromkeys(asked, 1) | {bad["id"]: 3, once["id"]: 2}
    assert run.names == {image["name"] for image in images if image is not bad}
    assert run.rows[bad["name"]]["error"] == "the image host answered 500"
    assert "1 of 10 images failed" in run.state.message


# The pace

CONCURRENT = [strategy for strategy in Strategy if strategy is not Strategy.SEQUENTIAL]


PAUSE = 2


@pytest.mark.parametrize(
    ("strategy", "status"), [*((strategy, 429) for strategy in CONCURRENT), (Strategy.ASYNC, 503)]
)
def test_one_refusal_slows_every_worker(strategy, status, tmp_path, prefect_server):
    """Each answer takes 0.25 s, so that seven others would ask 56 times in the two seconds."""
    with running("raw", "--first-byte", "0.25") as address:
        standin = Standin(address)
        images = standin.album("Slower0", count=40, bytes=2000)
        refused = images[0]
        standin.call(
            "PUT", f"faults/{refused['id']}", fault("status", 1, status=status, retry_after=PAUSE)
        )

        run = mirror(standin, "Slower0", images, tmp_path, strategy)

    assert run.state.is_completed()
    times = sorted(sent["time"] for entries in run.served.values() for sent in entries)
    first, again = (sent["time"] for sent in run.served[refused["id"]])
    assert again >= first + PAUSE
    # Each of the others may have been about to ask, and once more before the answer is read.
    assert sum(first < time < first + PAUSE for time in times) < 2 * WORKERS
    assert times[-1] > first + PAUSE


@pytest.mark.parametrize("strategy", CONCURRENT)
def test_a_run_keeps_below_its_rate(strategy, standin, tmp_path):
    rate = 20
    name = f"Rating{list(Strategy).index(strategy)}"
    images = standin.album(name, count=40, bytes=2000)

    run = mirror(
        standin, name, images, tmp_path, strategy, max_requests_per_second=rate, max_task_runs=16
    )

    assert run.state.is_completed()
    times = sorted(sent["time"] for entries in run.served.values() for sent in entries)
    assert len(times) == len(images)
    # Each worker may have a request that is held up on its way, and comes with those that follow.
    ahead = 1 + WORKERS
    for first, start in enumerate(times):
        for last, end in enumerate(times[first + 1 :], first + 1):
            assert last - first + 1 <= rate * (end - start) + ahead
