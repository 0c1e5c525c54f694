"""Images that have come and lie in no place yet, as a transfer hands them over."""

import hashlib

from imgur_mirror.download.pacing import Pace
from imgur_mirror.download.whole_file import WholeExchange
from imgur_mirror.models import Image, Piece
from imgur_mirror.settings import Settings

__all__ = ["body_of", "exchange_of"]


def body_of(number):
    return b"\xff\xd8\xff\xe0" + str(number).encode() * 500


def exchange_of(folder, number, etag=None):
    """What has come of one image, as a transfer hands it over."""
    wire = Settings(_env_file=None).wire
    image = Image(id=f"i{number}", name=f"i{number}.jpg", link=f"https://i.imgur.com/i{number}.jpg")
    exchange = WholeExchange(Piece(image), folder, wire, Pace(folder.state))
    body = body_of(number)
    headers = {
        "Content-Length": str(len(body)),
        "ETag": f'"{etag or hashlib.md5(body).hexdigest()}"',
    }
    _ = exchange.headers
    assert exchange.accept(200, headers)
    exchange.write(body)
    return exchange
