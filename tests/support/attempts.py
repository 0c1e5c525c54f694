"""Images that have come and lie in no place yet, as a transfer hands them over."""

import hashlib

from imgur_mirror.download.actions import Ask, Commit, ReadBody
from imgur_mirror.download.attempt import FetchSpec
from imgur_mirror.download.pacing import Pace
from imgur_mirror.download.whole_file import WholeFileAttempt
from imgur_mirror.models import ByteRange, Image
from imgur_mirror.settings import Settings

__all__ = ["attempt_of", "body_of", "commit_of"]


def body_of(number):
    return b"\xff\xd8\xff\xe0" + str(number).encode() * 500


def commit_of(folder, number, **announced):
    """What has come of one image, as a client hands it over."""
    return Commit(attempt_of(folder, number, **announced).finish)


def attempt_of(folder, number, etag=None, length=None):
    """An attempt at the image of that number, whose body has come: `length` bytes by its head."""
    wire = Settings(_env_file=None).wire
    image = Image(id=f"i{number}", name=f"i{number}.jpg", link=f"https://i.imgur.com/i{number}.jpg")
    attempt = WholeFileAttempt(
        FetchSpec(ByteRange(image), folder, wire, Pace(folder.run_state), "worker")
    )
    body = body_of(number)
    headers = {
        "Content-Length": str(length or len(body)),
        "ETag": f'"{etag or hashlib.md5(body).hexdigest()}"',
    }
    ask = attempt.start()
    assert ask == Ask(image.link)
    assert attempt.headers(ask) == {}
    assert attempt.accept(ask, 200, headers) == ReadBody()
    attempt.write(body)
    return attempt
