"""A flow from the shell: its parameters as arguments, its outcome as the exit status."""

import gc
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.flows import Flow
from pydantic import ValidationError

from flows.cli.arguments import WRONG_CALL, call, new_app
from flows.cli.console import console
from flows.cli.early_refusal import refuse_early
from flows.cli.server import ServerError, prefect_api, send_events, starts_server
from flows.cli.signature import signature_of
from flows.cli.stopping import Stopped, stoppable
from flows.support.heartbeat import own_heartbeats
from flows.support.mirror_flow import IS_LAST
from imgur_mirror.api import ApiError, BadAddress, BadCredentials, parse_address, parse_album
from imgur_mirror.settings import BadSettings, Settings, read_settings
from imgur_mirror.store import StoreError, album_folder

__all__ = ["main", "refusal", "run"]

DONE, MISSING = 0, 1
WRONG = BadAddress | BadSettings | BadCredentials
INVALID = "Flow run received invalid parameters: - "


def main(
    flow: Flow[..., Any], describe: Callable[[Any], str], arguments: Sequence[str] | None = None
) -> int:
    """Run a flow with the shell's arguments: `python -m flows.…`; gives the exit status of `run`.

    Raises:
        SystemExit: with status 2 where the arguments are wrong.
    """
    module = f"flows.{flow.name.replace('-', '_')}"
    app = new_app(f"python -m {module}", (flow.description or "").partition("\n")[0])
    app.default(signature_of(module))
    parameters: dict[str, Any] | None = call(app, arguments)
    return DONE if parameters is None else run(flow, describe, parameters)


def run(flow: Flow[..., Any], describe: Callable[[Any], str], parameters: dict[str, Any]) -> int:
    """Run a flow, print what it found, and give the exit status.

    0: all is there. 1: something is missing; standard error says what. 2: the call or the
    settings are wrong; standard error says how to mend them. 130 and 143: it was stopped, by
    Ctrl-C or by SIGTERM; the process then ends soon, if need be by force (`stoppable`).
    """
    # The garbage collector need not look again at all that was imported, which stays.
    gc.freeze()
    try:
        checked = _checked(flow, parameters)
        settings = read_settings()
        _check_input(checked, settings)
        album_folder(checked.get("downloads") or settings.downloads, "album")
    except (BadAddress, BadSettings, StoreError) as error:
        return _fail(str(error), WRONG_CALL)
    except (ParameterTypeError, ValidationError) as error:
        return _fail(_one_line(error), WRONG_CALL)
    try:
        with stoppable(), console(IS_LAST):
            if starts_server():
                refuse_early(checked, settings)
            with prefect_api(), own_heartbeats():
                state: State[Any] = flow(**checked, return_state=True)  # type: ignore[assignment]
                send_events()
                return _exit_status(state, describe)
    except ServerError as error:
        return _fail(str(error), error.status)
    except ApiError as error:
        return _fail(str(error), WRONG_CALL if isinstance(error, WRONG) else MISSING)
    except Stopped as stopped:
        return _fail(str(stopped), stopped.status)


def _checked(flow: Flow[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Validate the parameters as the flow does, without Prefect's log of what is wrong."""
    log = logging.getLogger("prefect.flows")
    log.disabled = True
    try:
        return flow.validate_parameters(parameters)
    finally:
        log.disabled = False


def _check_input(checked: dict[str, Any], settings: Settings) -> None:
    """Refuse what names nothing, before a server is started for it."""
    if "source" in checked:
        # Imported where it is used: no other flow needs it.
        from imgur_mirror.bulk import check_links, open_source

        source = open_source(checked["source"], checked.get("url_column", ""))
        check_links(source, settings.wire.image_hosts)
        return
    for album in checked.get("albums", ()):
        parse_address(album)
    if "album" in checked:
        parse_album(checked["album"])


def refusal(albums: Iterable[str]) -> str | None:
    """Say why the first that names nothing at Imgur is refused; None where all name something."""
    for album in albums:
        try:
            parse_address(album)
        except BadAddress as error:
            return str(error)
    return None


def _exit_status(state: State[Any], describe: Callable[[Any], str]) -> int:
    if state.is_completed():
        print(describe(state.result()))
        return DONE
    error = state.result(raise_on_failure=False)
    # What a run lacks may have one reason, such as a client id that Imgur refuses.
    reasons = error, getattr(error, "__cause__", None)
    status = WRONG_CALL if any(isinstance(reason, WRONG) for reason in reasons) else MISSING
    return _fail(state.message or f"the run ended {state.name}", status)


def _fail(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status


def _one_line(error: Exception) -> str:
    """Say which argument is wrong and why, out of pydantic's several lines."""
    return " ".join(str(error).split()).replace(INVALID, "wrong call: ")
