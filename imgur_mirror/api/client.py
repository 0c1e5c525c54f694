"""What Imgur's API says, as albums or as one of six errors, through imgurpython.

The package's endpoints stay in use; its one transport method is replaced, since it has no
timeout, follows redirects with the credentials, and lets odd answers end in a TypeError.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from imgurpython import ImgurClient
from imgurpython.helpers import GalleryAlbum, GalleryImage

from imgur_mirror.api.address import Address, BadAddress, Kind
from imgur_mirror.api.credits import Credits, wait_told, when
from imgur_mirror.api.parsing import album_of, count, single
from imgur_mirror.api.responses import (
    AlbumNotFound,
    Answer,
    ApiError,
    ApiUnavailable,
    BadCredentials,
    OverCapacity,
    Problem,
    RateLimited,
    UnexpectedAnswer,
    read,
    records,
)
from imgur_mirror.api.transport import FAILURES, Transport, reason
from imgur_mirror.models import Album
from imgur_mirror.settings import Access
from imgur_mirror.text import printable

__all__ = [
    "AlbumNotFound",
    "Answer",
    "ApiError",
    "ApiUnavailable",
    "BadCredentials",
    "Credits",
    "Imgur",
    "OverCapacity",
    "RateLimited",
    "UnexpectedAnswer",
    "fetch_account_albums",
    "fetch_album",
]

_PAGE = 50
_PAGES = 1_000


def fetch_album(address: Address, access: Access) -> Album:
    """Ask the API for the album, the gallery item or the single image at an address.

    An album that lists fewer images than it counts is asked for them once more, and then taken
    with the longer list: the count is not always right.

    Raises:
        ApiError: saying what was asked, what the server said, and what to do.
        BadAddress: for an account, which is no album.
    """
    return _client(access, os.getpid()).album_at(address)


def fetch_account_albums(address: Address, access: Access) -> list[str]:
    """Ask the API for the ids of all public albums of an account.

    Raises:
        ApiError: as `fetch_album` does.
        BadAddress: for an address that is no account's.
    """
    if address.kind is not Kind.ACCOUNT:
        raise BadAddress(f"{address} is no account; give https://imgur.com/user/NAME")
    return list(_client(access, os.getpid()).album_ids(address.id))


class Imgur(ImgurClient):  # type: ignore[misc]  # imgurpython has no types
    """imgurpython's client, with a transport that waits only so long and fails in six ways."""

    def __init__(self, access: Access) -> None:
        # Not the package's constructor: it spends a credit on /3/credits.
        self.client_id = access.client_id
        self.client_secret = access.client_secret
        self.auth = None
        self.mashape_key = None
        self.credits = Credits()
        self._api_url = access.api_url
        self._transport = Transport(access.connect_timeout, access.read_timeout)

    def get_client_id(self) -> str:
        """The id in clear, for the one header that needs it."""
        return self.client_id.get_secret_value().strip() if self.client_id else ""

    def make_request(
        self,
        method: str,
        route: str,
        data: dict[str, Any] | None = None,
        force_anon: bool = False,
    ) -> Any:  # noqa: ANN401 - as imgurpython wants it
        """Ask once, and return the `data` of the answer in the shape its route promises.

        Raises:
            ApiError: one of its six kinds, and nothing else.
        """
        asked = _asked(route)
        if hopeless := self._hopeless():
            raise self._error(hopeless, asked)
        answer = self._answer(method, route, data, force_anon)
        if isinstance(answer, Problem):
            raise self._error(answer, asked)
        self.credits = Credits.read(answer.headers, time.time()) or self.credits
        found = read(answer, route)
        if isinstance(found, Problem):
            raise self._error(found, asked, answer)
        return found

    def _hopeless(self) -> Problem | None:
        """Why a request is bound to fail, before it costs anything."""
        if not self.get_client_id():
            return Problem(BadCredentials, "none is set")
        if not re.fullmatch("[!-~]+", self.get_client_id()):
            return Problem(BadCredentials, "it holds characters that no client id has")
        if self.credits.wait(time.time()) > 0:
            return Problem(RateLimited, "no credits left")
        return None

    def _answer(
        self, method: str, route: str, data: dict[str, Any] | None, force_anon: bool
    ) -> Answer | Problem:
        """What the server answers, or why there is no answer."""
        try:
            return self.send(method, route, data, force_anon)
        except FAILURES as error:
            # Nothing is raised in here: it would carry along the request with its header.
            return Problem(ApiUnavailable, reason(error))

    def send(
        self, method: str, route: str, data: dict[str, Any] | None, force_anon: bool
    ) -> Answer:
        """One request over the wire; raises `transport.FAILURES`."""
        authorization = self.prepare_headers(force_anon)["Authorization"]
        return self._transport.ask(method, f"{self._api_url}3/{route}", data, authorization)

    def _error(self, problem: Problem, asked: str, answer: Answer | None = None) -> ApiError:
        """The error in three parts: what was asked, what was found, what to do."""
        kind, said = problem
        status = answer.status if answer else None
        found = f"{asked}: {kind.finding} ({self._shown(said).rstrip('.')}); {kind.remedy}"
        if kind is not RateLimited:
            return kind(found, status=status)
        now = time.time()
        # A server may name a shorter wait than the credits, which would then refuse the retry.
        wait = max(self.credits.wait(now), wait_told(answer.headers, now) if answer else 0)
        return RateLimited(f"{found} {when(wait, now)}", status=status, wait=wait)

    def _shown(self, said: str) -> str:
        """The server's words, fit for a log: on one short line, with no secret echoed."""
        # Longer than what is shown, so that the cut leaves no half of a secret.
        words = printable(said, 10_000)
        for secret in (self.client_id, self.client_secret):
            if secret and (value := printable(secret.get_secret_value(), 10_000)):
                words = words.replace(value, "…")
        return printable(words)

    def get_gallery_album(self, item_id: str) -> GalleryAlbum:
        """An endpoint that imgurpython lacks."""
        return GalleryAlbum(self.make_request("GET", f"gallery/album/{item_id}"))

    def get_gallery_image(self, item_id: str) -> GalleryImage:
        """An endpoint that imgurpython lacks."""
        return GalleryImage(self.make_request("GET", f"gallery/image/{item_id}"))

    def album_at(self, address: Address) -> Album:
        """The album at an address; a single image is an album of one."""
        tries = {
            Kind.ALBUM: (self._album,),
            Kind.IMAGE: (self._image,),
            # Which of these it is, only asking tells: each try costs a credit.
            Kind.GALLERY: (self._gallery_album, self._gallery_image, self._album, self._image),
        }
        if address.kind not in tries:
            raise BadAddress(
                f"{address} is an account, not an album; mirror all its albums with"
                f" python -m flows.mirror_albums {address}"
            )
        return _first_found(address.id, tries[address.kind])

    def _album(self, album_id: str) -> Album:
        return self._filled(album_id, vars(self.get_album(album_id)))

    def _image(self, image_id: str) -> Album:
        return single(image_id, vars(self.get_image(image_id)))

    def _gallery_album(self, item_id: str) -> Album:
        return self._filled(item_id, vars(self.get_gallery_album(item_id)))

    def _gallery_image(self, item_id: str) -> Album:
        return single(item_id, vars(self.get_gallery_image(item_id)))

    def _filled(self, album_id: str, data: dict[str, Any]) -> Album:
        """The album with its images, asked for once more where the answer holds too few.

        The longer list counts, even when it is shorter than `images_count`, which may be stale.
        """
        images = data.get("images")
        listed = [] if images is None else records(images)
        expected = count(data.get("images_count")) or 0
        untold = images is None and data.get("images_count") != 0
        if listed is not None and (untold or len(listed) < expected):
            again = [vars(image) for image in self.get_album_images(album_id)]
            listed = max(listed, again, key=len)
        if listed is None or (expected and not listed):
            said = f"{expected} images, and a list that shows none of them"
            raise self._error(Problem(UnexpectedAnswer, said), f"album {album_id}")
        return album_of(album_id, data, listed)

    def album_ids(self, account: str) -> Iterator[str]:
        """The ids of an account's public albums, page by page, each once."""
        seen: set[str] = set()
        for page in range(_PAGES):
            ids = [vars(album).get("id") for album in self.get_account_albums(account, page)]
            fresh = [id_ for id_ in dict.fromkeys(map(str, ids)) if id_ not in seen]
            for id_ in fresh:
                if not re.fullmatch("[A-Za-z0-9]{5}|[A-Za-z0-9]{7}", id_):
                    problem = Problem(UnexpectedAnswer, f"an album with the id {id_}")
                    raise self._error(problem, f"the albums of {account}")
            yield from fresh
            seen.update(fresh)
            if len(ids) < _PAGE or not fresh:
                return


def _first_found(item_id: str, tries: tuple[Callable[[str], Album], ...]) -> Album:
    """The first of the answers that is an album; AlbumNotFound where none is."""
    *firsts, last = tries
    for ask in firsts:
        try:
            return ask(item_id)
        except AlbumNotFound:
            continue
    return last(item_id)


def _asked(route: str) -> str:
    """What a route asks for, in words."""
    match route.split("/"):
        case ["album", album_id, "images"]:
            return f"the images of album {album_id}"
        case ["account", name, "albums", _]:
            return f"the albums of {name}"
    return route.replace("/", " ")


@lru_cache(maxsize=8)
def _client(access: Access, process: int) -> Imgur:  # noqa: ARG001 - a fork shares no connections
    """One client for a process: its connection is kept, and what is known of the credits."""
    return Imgur(access)
