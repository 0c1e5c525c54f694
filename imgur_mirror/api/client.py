"""Asks Imgur's API for albums and collections, through imgurpython.

That package's endpoints stay in use; its one transport method is replaced, since it has no
timeout, follows redirects with the credentials, and lets odd responses end in a TypeError.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

from imgurpython import ImgurClient
from imgurpython.helpers import GalleryAlbum, GalleryImage
from imgurpython.helpers.format import build_gallery_images_and_albums

from imgur_mirror.api.address import Address, BadAddress, Kind, check_album
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
from imgur_mirror.api.posts import Entry, Listed, each_once, listed
from imgur_mirror.api.responses import Problem, Response, data_of, objects
from imgur_mirror.api.transport import FAILURES, Transport
from imgur_mirror.models import Album
from imgur_mirror.settings import Access
from imgur_mirror.text import printable, root_cause

__all__ = ["Imgur", "fetch_album", "fetch_collection"]

_MAX_PAGES = 1_000

_OWN_ID_HELPS = (
    "many share the public id of Imgur's website, which was used: an id of your own, set as"
    " IMGUR_CLIENT_ID, has a limit of its own"
)


def fetch_album(address: Address, access: Access) -> Album:
    """Ask the API for the album, the gallery item or the single image at an address.

    If an album has fewer images in it than `images_count` says, they are asked for once more, and
    the longer list counts: `images_count` is not always right.

    Raises:
        ApiError: saying what was asked, what the server said, and what to do.
        BadAddress: for a collection, which is no album.
    """
    return _client(access, os.getpid()).album_at(address)


def fetch_collection(address: Address, access: Access, limit: int = 0) -> Listed:
    """Ask the API for what a collection lists, at most the first `limit` entries; 0 for all.

    The order is that of the address, newest first where it has none.

    Raises:
        ApiError: as `fetch_album` does, or where none of the entries names anything.
        BadAddress: for an address that is no collection's.
    """
    if not address.is_collection:
        raise BadAddress(f"{address} is no collection, such as https://imgur.com/user/NAME")
    return _client(access, os.getpid()).collection_at(address, limit)


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
        # Many share the public id: nobody asks several things at once with it.
        self._turn = Lock() if access.is_public else nullcontext()
        self._own_id_would_help = access.is_public

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
        with self._turn:
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
        message = f"{message} {describe_wait(wait, now)}"
        if self._own_id_would_help:
            message += f"; {_OWN_ID_HELPS}"
        return RateLimited(message, status=status, wait=wait)

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
            BadAddress: for a collection.
        """
        lookups = {
            Kind.ALBUM: (self._album,),
            Kind.IMAGE: (self._image,) if address.is_file else (self._image, self._album),
            # Only asking tells which of these it is, and each request costs a credit.
            Kind.GALLERY: (self._gallery_album, self._gallery_image, self._album, self._image),
        }
        return _first_found(address.id, lookups[check_album(address).kind])

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

    def collection_at(self, address: Address, limit: int = 0) -> Listed:
        """Return what a collection lists, at most its first `limit` entries; 0 for all.

        Where Imgur's limit is reached on the way, for longer than is waited for, what came until
        then is returned: the next run would come no further otherwise.

        Raises:
            ApiError: where the API does not say, or none of the entries names anything.
        """
        pages = islice(each_once(partial(self._page, address), _MAX_PAGES), limit or None)
        entries: list[tuple[int, Entry]] = []
        interrupted: RateLimited | None = None
        try:
            # What came before an error stays.
            entries.extend(pages)
        except OverflowError as error:
            raise self._error(Problem(UnexpectedResponse, str(error)), _named(address)) from None
        except RateLimited as error:
            if error.retryable or not entries:
                raise
            interrupted = error
        found = replace(listed(address, entries, limit), interrupted=interrupted)
        is_nonsense = all(isinstance(each, BadAddress) for each in found.albums)
        if found.posts and is_nonsense and not found.images.images:
            problem = Problem(UnexpectedResponse, str(found.albums[0]))
            raise self._error(problem, _named(address))
        return found

    def _page(self, address: Address, page: int) -> list[Entry]:
        """Return the entries of one page; the first is page 0."""
        return [vars(entry) for entry in self._page_in_order(address, page)]

    def _page_in_order(self, address: Address, page: int) -> Sequence[Any]:
        name, sort = quote(address.id, safe=""), address.sort or "time"
        window = {"window": address.window} if address.window else {}
        match address.kind:
            case Kind.ACCOUNT:
                return self.get_account_albums(name, page)  # type: ignore[no-any-return]
            case Kind.TAG:
                return self.gallery_tag(name, sort, page, **window).items or ()
            case Kind.SUBREDDIT:
                return self.subreddit_gallery(name, sort, page=page, **window)  # type: ignore[no-any-return]
            case Kind.SEARCH:
                return self.gallery_search(address.id, sort=sort, page=page, **window)  # type: ignore[no-any-return]
            case Kind.FAVORITES_FOLDER:
                return self.get_folder_favorites(name, address.folder, page)
            case Kind.POSTS if not address.sort:
                return self.get_account_submissions(name, page)  # type: ignore[no-any-return]
            case Kind.FAVORITES if not address.sort:
                return self.get_gallery_favorites(name, page)  # type: ignore[no-any-return]
        return self.get_posts_in_order(name, address.kind, page, address.sort)

    def get_folder_favorites(self, username: str, folder: str, page: int) -> list[Any]:
        """Ask an endpoint that imgurpython lacks."""
        route = f"account/{username}/folders/{folder}/favorites/{page}"
        return build_gallery_images_and_albums(self.make_request("GET", route))  # type: ignore[no-any-return]

    def get_posts_in_order(self, username: str, kind: Kind, page: int, sort: str) -> list[Any]:
        """Ask for posts or favorites in another order than imgurpython can."""
        what = "submissions" if kind is Kind.POSTS else "gallery_favorites"
        route = f"account/{username}/{what}/{page}/{sort}"
        return build_gallery_images_and_albums(self.make_request("GET", route))  # type: ignore[no-any-return]


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
        case ["account", name, "submissions", *_]:
            return f"the posts of {name}"
        case ["account", name, "gallery_favorites", *_]:
            return f"the favorites of {name}"
        case ["account", name, "folders", folder, *_]:
            return f"folder {folder} of the favorites of {name}"
        case ["gallery", "t", tag, *_]:
            return f"the posts with the tag {printable(unquote(tag), 80)}"
        case ["gallery", "r", subreddit, _, *_]:
            return f"the posts of r/{subreddit}"
        case ["gallery", "search", *_]:
            return "the search"
    return route.replace("/", " ")


def _named(address: Address) -> str:
    """Return what a collection is called in an error: as people write it, without the host."""
    return str(address).removeprefix("https://imgur.com/")


@lru_cache(maxsize=8)
def _client(access: Access, process: int) -> Imgur:  # noqa: ARG001 - a fork shares no connections
    """Return the client of a process, which keeps its connection and what it knows of credits."""
    return Imgur(access)
