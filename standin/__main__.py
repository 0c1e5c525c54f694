"""`python -m standin`: start a local Imgur, say where it is, stop it on a signal."""

import argparse
import asyncio
import sys
from dataclasses import replace

from standin.network import PROFILES, BadProfile, Profile, profile
from standin.process import READY
from standin.server import serve


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    return 0 if float(text) == 0 else _positive(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m standin", description="A local Imgur: API and image host on one port."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=8765, help="port to listen on; 0: a free one (%(default)s)")
    add("--profile", default="fast", help=f"{', '.join(PROFILES)}, or a .toml file (%(default)s)")
    add("--time-scale", type=_positive, default=1, help="what to multiply all times with")
    add("--connect", type=_seconds, help="seconds to set up a connection")
    add("--first-byte", type=_seconds, help="seconds to the first byte of an answer")
    add("--connection-rate", type=_positive, help="bytes a second of each connection")
    add("--link-rate", type=_positive, help="bytes a second of all connections together")
    add("--width", type=int, help="pixels across of each picture, where its bytes have room")
    add(
        "--strict-agent",
        action="store_true",
        default=None,
        help="refuse the default user agents of HTTP libraries, as Imgur does",
    )
    return parser


def _chosen(flags: argparse.Namespace) -> Profile:
    """The profile with what the flags change in it, at its time scale."""
    names = ("connect", "first_byte", "connection_rate", "link_rate", "strict_agent", "width")
    changes = {name: value for name in names if (value := getattr(flags, name)) is not None}
    return replace(profile(flags.profile), **changes).scaled(flags.time_scale)


def _announce(host: str, port: int) -> None:
    lines = (
        f"{READY}http://{host}:{port}",
        "Use it with:",
        f"  export IMGUR_API_URL=http://{host}:{port}/",
        f"  export IMGUR_IMAGE_HOSTS='[\"{host}:{port}\"]'",
        "  export IMGUR_CLIENT_ID=standin",
    )
    print(*lines, sep="\n", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; 0 then, 2 where it cannot start."""
    flags = _parser().parse_args(arguments)
    try:
        asyncio.run(serve(_chosen(flags), flags.host, flags.port, _announce))
    except BadProfile as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, OverflowError) as error:
        print(f"cannot listen on {flags.host}:{flags.port}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
