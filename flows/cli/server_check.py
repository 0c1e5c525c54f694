"""Whether the Prefect server at an address can be used, and what to mend where it cannot."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
from prefect.context import SyncClientContext

__all__ = ["ServerError", "WrongServer", "checked_server"]

REFUSED = (401, 403)
NOT_THERE = range(400, 500)
PATIENCE = 30
"""Seconds in which a server answers at all."""


class ServerError(RuntimeError):
    """There is no Prefect server that can be used; the message says why."""

    status = 1
    """The exit status of a command that ends with it."""


class WrongServer(ServerError):
    """The settings do not fit the Prefect server; the message says which to mend."""

    status = 2


@contextmanager
def checked_server(url: str) -> Iterator[None]:
    """Ask the configured server for something, as a run will do, and keep the client for the run.

    A second client would load all certificates and ask for the server's version again.

    Raises:
        WrongServer: where it refuses the password, or the address is not that of an API.
        ServerError: where it does not answer, or with an error of its own.
    """
    with ExitStack() as stack:
        try:
            # Prefect's client would ask for minutes; whoever types a command wants to know at once.
            # Nothing secret is sent, and the server's certificate is the client's business.
            httpx.get(f"{url}/health", timeout=PATIENCE, verify=False)  # noqa: S501 - see above
            client = stack.enter_context(SyncClientContext()).client
            client.read_flows(limit=1)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RuntimeError) as error:
            raise _explained(url, error) from error
        yield


def _explained(url: str, error: BaseException) -> ServerError:
    match error:
        case RuntimeError(__cause__=BaseException() as cause):
            # Prefect's "Failed to reach API", when it asks for the server's version.
            return _explained(url, cause)
        case httpx.HTTPStatusError(response=response):
            return _refusal(url, response.status_code)
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return _no_api(url, str(error).rstrip("."))
        case httpx.TransportError():
            return ServerError(
                f"no Prefect server answers at {url} ({error}): start it, or set PREFECT_API_URL "
                "to one that runs; without PREFECT_API_URL one is started for this run"
            )
        case RuntimeError():
            return WrongServer(f"the Prefect server at {url} does not fit: {error}")
        case _:
            return _no_api(url, "it answers with something else")


def _refusal(url: str, status: int) -> ServerError:
    if status in REFUSED:
        return WrongServer(
            f"the Prefect server at {url} refuses the password ({status}): set "
            "PREFECT_API_AUTH_STRING to what the server has as PREFECT_SERVER_API_AUTH_STRING, or "
            "PREFECT_API_KEY for Prefect Cloud"
        )
    if status in NOT_THERE:
        return _no_api(url, f"it answers {status}")
    return ServerError(f"the Prefect server at {url} answers {status}: look at its log")


def _no_api(url: str, why: str) -> WrongServer:
    return WrongServer(
        f"there is no API of a Prefect server at {url} ({why}): mend PREFECT_API_URL, which ends "
        "in /api, such as http://127.0.0.1:4200/api"
    )
