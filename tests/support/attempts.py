"""Images that have come and lie in no place yet, as a transfer hands them over."""

import hashlib

from imgur_mirror.download.pacing import Pace
from imgur_mirror.download.whole_file import WholeFileAttempt
from imgur_mirror.models import ByteRange, Image
from imgur_mirror.settings import Settings

__all__ = ["attempt_of", "body_of"]


def body_of(number):
    return b"\xff\xd8\xff\xe0" + str(number).encode() * 500


def attempt_of(folder, number, etag=None):
    """What has come of one image, as a transfer hands it over."""
    wire = Settings(_env_file=None).wire
    image = Image(id=f"i{number}", name=f"i{number}.jpg", link=f"https://i.imgur.com/i{number}.jpg")
    attempt = WholeFileAttempt(ByteRange(image), folder, wire, Pace(folder.run_dir))
    body = body_of(number)
    headers = {
        "Content-Length": str(len(body)),
        "ETag": f'"{etag or hashlib.md5(body).hexdigest()}"',
    }
    _ = attempt.headers
    assert attempt.accept(200, headers)
    attempt.write(body)
    return attempt
