"""Asks Imgur's API for albums and accounts, through imgurpython.

That package's endpoints stay in use; its one transport method is replaced, since it has no
timeout, follows redirects with the credentials, and lets odd responses end in a TypeError.
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
from imgur_mirror.api.credits import Credits, describe_wait, wait_after_refusal
from imgur_mirror.api.errors import (
    AlbumNotFound,
    ApiError,
    ApiUnavailable,
    BadCredentials,
    RateLimited,
    UnexpectedResponse,
)
from imgur_mirror.api.parsing import album_of, album_of_one, positive_int
from imgur_mirror.api.responses import Problem, Response, data_of, objects
from imgur_mirror.api.transport import FAILURES, Transport
from imgur_mirror.models import Album
from imgur_mirror.settings import Access
from imgur_mirror.text import printable, root_cause

__all__ = ["Imgur", "fetch_account_albums", "fetch_album"]

_MAX_PAGES = 1_000


def fetch_album(address: Address, access: Access) -> Album:
    """Ask the API for the album, the gallery item or the single image at an address.

    If an album has fewer images in it than `images_count` says, they are asked for once more, and
    the longer list counts: `images_count` is not always right.

    Raises:
        ApiError: saying what was asked, what the server said, and what to do.
        BadAddress: for an account, which is no album.
    """
    return _client(access, os.getpid()).album_at(address)


def fetch_account_albums(address: Address, access: Access) -> list[str | BadAddress]:
    """Ask the API for the ids of all public albums of an account.

    In the place of an entry that names no album is the error that says so.

    Raises:
        ApiError: as `fetch_album` does.
        BadAddress: for an address that is no account's.
    """
    if address.kind is not Kind.ACCOUNT:
        raise BadAddress(f"{address} is no account; give https://imgur.com/user/NAME")
    return _client(access, os.getpid()).album_ids(address.id)


class Imgur(ImgurClient):  # type: ignore[misc]  # imgurpython has no types
    """imgurpython's client, with a transport that has timeouts and raises `ApiError` only."""

    def __init__(self, access: Access) -> None:
        # Not the package's constructor: it spends a credit on /3/credits.
        self.client_id = access.client_id
        self.client_secret = access.client_secret
        self.client_id_remedy = access.client_id_remedy or BadCredentials.remedy
        self.auth = None
        self.mashape_key = None
        self.credits = Credits()
        self._transport = Transport(access.api_url, access.connect_timeout, access.read_timeout)

    def get_client_id(self) -> str:
        """Return the id in clear, for the one header that needs it."""
        return self.client_id.get_secret_value().strip() if self.client_id else ""

    def make_request(
        self,
        method: str,
        route: str,
        data: dict[str, Any] | None = None,
        force_anon: bool = False,
    ) -> Any:  # noqa: ANN401 - as imgurpython wants it
        """Ask once, and return the `data` of the response in the shape its route promises.

        Raises:
            ApiError: one of its kinds, and nothing else.
        """
        subject = _subject(route)
        if problem := self._known_problem():
            raise self._error(problem, subject)
        response = self._response(method, route, data, force_anon)
        if isinstance(response, Problem):
            raise self._error(response, subject)
        self.credits = Credits.read(response.headers, time.time()) or self.credits
        found = data_of(response, route)
        if isinstance(found, Problem):
            raise self._error(found, subject, response)
        return found

    def _known_problem(self) -> Problem | None:
        """Return why a request is bound to fail, before it costs anything."""
        if not self.get_client_id():
            return Problem(BadCredentials, "none is set")
        if not re.fullmatch("[!-~]+", self.get_client_id()):
            return Problem(BadCredentials, "it holds characters that no client id has")
        if self.credits.wait(time.time()) > 0:
            return Problem(RateLimited, "no credits left")
        return None

    def _response(
        self, method: str, route: str, data: dict[str, Any] | None, force_anon: bool
    ) -> Response | Problem:
        """Return the server's response, or why there is none."""
        try:
            return self.send(method, route, data, force_anon)
        except FAILURES as error:
            # Not raised from here: its context would hold the request, with the client id in it.
            return Problem(ApiUnavailable, root_cause(error))

    def send(
        self, method: str, route: str, data: dict[str, Any] | None, force_anon: bool
    ) -> Response:
        """Send one request over the wire; raises one of `transport.FAILURES`."""
        authorization = self.prepare_headers(force_anon)["Authorization"]
        return self._transport.send(method, route, data, authorization)

    def _error(self, problem: Problem, subject: str, response: Response | None = None) -> ApiError:
        """Return the error in three parts: what was asked for, what was found, what to do."""
        kind, detail = problem
        status = response.status if response else None
        shown = self._without_secrets(detail).rstrip(".")
        remedy = self.client_id_remedy if kind is BadCredentials else kind.remedy
        message = f"{subject}: {kind.finding} ({shown}); {remedy}"
        if kind is not RateLimited:
            return kind(message, status=status)
        now = time.time()
        # A server may name a shorter wait than the credits, which would then refuse the retry.
        refused = wait_after_refusal(response.headers, now) if response else 0
        wait = max(self.credits.wait(now), refused)
        return RateLimited(f"{message} {describe_wait(wait, now)}", status=status, wait=wait)

    def _without_secrets(self, detail: str) -> str:
        """Return the server's words on one short line, without a secret that it may echo."""
        # Far longer than what is shown, so that no part of a secret survives the cut.
        words = printable(detail, 10_000)
        for secret in (self.client_id, self.client_secret):
            if secret and (value := printable(secret.get_secret_value(), 10_000)):
                words = words.replace(value, "…")
        return printable(words)

    def get_gallery_album(self, item_id: str) -> GalleryAlbum:
        """Ask an endpoint that imgurpython lacks."""
        return GalleryAlbum(self.make_request("GET", f"gallery/album/{item_id}"))

    def get_gallery_image(self, item_id: str) -> GalleryImage:
        """Ask an endpoint that imgurpython lacks."""
        return GalleryImage(self.make_request("GET", f"gallery/image/{item_id}"))

    def album_at(self, address: Address) -> Album:
        """Return the album at an address; a single image is an album of one.

        Raises:
            ApiError: where the API has none, or does not say.
            BadAddress: for an account.
        """
        lookups = {
            Kind.ALBUM: (self._album,),
            Kind.IMAGE: (self._image,) if address.is_file else (self._image, self._album),
            # Only asking tells which of these it is, and each request costs a credit.
            Kind.GALLERY: (self._gallery_album, self._gallery_image, self._album, self._image),
        }
        if address.kind not in lookups:
            raise BadAddress(
                f"{address} is an account, not an album; mirror all its albums with"
                f" python -m flows.mirror_albums {address}"
            )
        return _first_found(address.id, lookups[address.kind])

    def _album(self, album_id: str) -> Album:
        return self._with_images(album_id, vars(self.get_album(album_id)))

    def _image(self, image_id: str) -> Album:
        return album_of_one(image_id, vars(self.get_image(image_id)))

    def _gallery_album(self, item_id: str) -> Album:
        return self._with_images(item_id, vars(self.get_gallery_album(item_id)))

    def _gallery_image(self, item_id: str) -> Album:
        return album_of_one(item_id, vars(self.get_gallery_image(item_id)))

    def _with_images(self, album_id: str, data: dict[str, Any]) -> Album:
        """Return the album with its images, asked for once more where the response has too few.

        The list with more images counts, even when it has fewer than `images_count` says, which
        may be stale.
        """
        sent = data.get("images")
        in_album = [] if sent is None else objects(sent)
        expected = positive_int(data.get("images_count")) or 0
        left_out = sent is None and data.get("images_count") != 0
        if in_album is not None and (left_out or _images_among(in_album) < expected):
            again = [vars(image) for image in self.get_album_images(album_id)]
            in_album = max(in_album, again, key=_images_among)
        if in_album is None or (expected and not in_album):
            detail = f"{expected} images, and a list that shows none of them"
            raise self._error(Problem(UnexpectedResponse, detail), f"album {album_id}")
        return album_of(album_id, data, in_album)

    def album_ids(self, account: str) -> list[str | BadAddress]:
        """Return the ids of an account's public albums, and an error for each entry without one.

        Raises:
            ApiError: where the API does not say, or none of its entries names an album.
        """
        found = list(self._album_ids(account))
        if found and not any(isinstance(id_, str) for id_ in found):
            problem = Problem(UnexpectedResponse, str(found[0]))
            raise self._error(problem, f"the albums of {account}")
        return found

    def _album_ids(self, account: str) -> Iterator[str | BadAddress]:
        """Yield the entries of all pages, each once: of pages that are not full as well."""
        seen: set[str] = set()
        number = 0
        for page in range(_MAX_PAGES):
            known = len(seen)
            for place, album in enumerate(self.get_account_albums(account, page)):
                number += 1
                entry = vars(album)
                key = str(entry.get("id") or f"#{place}")
                if key not in seen:
                    seen.add(key)
                    yield _album_id(entry, number)
            if len(seen) == known:
                return
        problem = Problem(UnexpectedResponse, f"more than {_MAX_PAGES} pages")
        raise self._error(problem, f"the albums of {account}")


def _album_id(entry: dict[str, Any], number: int) -> str | BadAddress:
    """Return the id of an entry in the list of an account, or why that names no album."""
    word = entry.get("id")
    if isinstance(word, str) and re.fullmatch("[A-Za-z0-9]{5}|[A-Za-z0-9]{7}", word):
        return word
    found = f"the id {printable(str(word), 80)!r}, which is no album's" if word else "no id"
    return BadAddress(f"entry {number} in its list of albums has {found}")


def _images_among(entries: list[dict[str, Any]]) -> int:
    """Count the entries that hold anything."""
    return sum(map(bool, entries))


def _first_found(item_id: str, lookups: tuple[Callable[[str], Album], ...]) -> Album:
    """Return the first album that a lookup finds; raises AlbumNotFound where none does."""
    *firsts, last = lookups
    for lookup in firsts:
        try:
            return lookup(item_id)
        except AlbumNotFound:
            continue
    return last(item_id)


def _subject(route: str) -> str:
    """Return what a route asks for, in words."""
    match route.split("/"):
        case ["album", album_id, "images"]:
            return f"the images of album {album_id}"
        case ["account", name, "albums", _]:
            return f"the albums of {name}"
    return route.replace("/", " ")


@lru_cache(maxsize=8)
def _client(access: Access, process: int) -> Imgur:  # noqa: ARG001 - a fork shares no connections
    """Return the client of a process, which keeps its connection and what it knows of credits."""
    return Imgur(access)
