"""A flow from the shell: its parameters as arguments, its outcome as the exit status."""

import gc
import logging
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.flows import Flow
from prefect.logging.configuration import ensure_logging_setup
from prefect.utilities.callables import parameter_schema
from pydantic import ValidationError

from flows.cli.server import ServerError, prefect_api, send_events
from flows.cli.stopping import Stopped, stoppable
from flows.support.heartbeat import own_heartbeats
from flows.support.mirror_flow import IS_LAST
from imgur_mirror.api import BadAddress, BadCredentials, parse_address
from imgur_mirror.bulk import check_links, open_source
from imgur_mirror.settings import BadSettings, Settings, read_settings
from imgur_mirror.store import StoreError, album_folder

__all__ = ["main", "refusal"]

DONE, MISSING, WRONG_CALL = 0, 1, 2
INVALID = "Flow run received invalid parameters: - "


def main(
    flow: Flow[..., Any], describe: Callable[[Any], str], arguments: Sequence[str] | None = None
) -> int:
    """Run a flow with the shell's arguments, print what it found, and give the exit status.

    0: all is there. 1: something is missing; standard error says what. 2: the call or the
    settings are wrong; standard error says how to mend them. 130 and 143: it was stopped, by
    Ctrl-C or by SIGTERM; the process then ends soon, if need be by force (`stoppable`).
    """
    # The garbage collector need not look again at all that was imported, which stays.
    gc.freeze()
    parameters = vars(_parser(flow).parse_args(arguments))
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
        with stoppable(), prefect_api(), own_heartbeats(), _said_once():
            state: State[Any] = flow(**checked, return_state=True)  # type: ignore[assignment]
            send_events()
            return _exit_status(state, describe)
    except ServerError as error:
        return _fail(str(error), MISSING)
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
    """Refuse what names nothing; a file may hold links to images, which need no client id."""
    if "source" in checked:
        source = open_source(checked["source"], checked.get("url_column", ""))
        check_links(source, settings.wire.image_hosts)
        return
    for album in checked.get("albums", [checked.get("album")]):
        parse_address(album)
    _check_credentials(settings)


def refusal(albums: Iterable[str]) -> str | None:
    """Say why the first that names nothing at Imgur is refused; None where all name something."""
    for album in albums:
        try:
            parse_address(album)
        except BadAddress as error:
            return str(error)
    return None


def _check_credentials(settings: Settings) -> None:
    if settings.client_id is None and settings.credentials_block is None:
        raise BadSettings(
            "Imgur's API asks for a client id, and none is set: set IMGUR_CLIENT_ID, in the "
            "environment or in .env, or name a Prefect block by IMGUR_CREDENTIALS_BLOCK"
        )


def _exit_status(state: State[Any], describe: Callable[[Any], str]) -> int:
    if state.is_completed():
        print(describe(state.result()))
        return DONE
    error = state.result(raise_on_failure=False)
    wrong = isinstance(error, BadAddress | BadSettings | BadCredentials)
    return _fail(state.message or f"the run ended {state.name}", WRONG_CALL if wrong else MISSING)


@contextmanager
def _said_once() -> Iterator[None]:
    """Keep from the console what `main` prints as its last line; Prefect's server has it too."""
    ensure_logging_setup()
    handlers = tuple(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(_is_not_last)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_is_not_last)


def _is_not_last(record: logging.LogRecord) -> bool:
    return not getattr(record, IS_LAST, False)


def _fail(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status


def _one_line(error: Exception) -> str:
    """Say which argument is wrong and why, out of pydantic's several lines."""
    return " ".join(str(error).split()).replace(INVALID, "wrong call: ")


def _parser(flow: Flow[..., Any]) -> ArgumentParser:
    """Make a parser of the flow's own parameters, which the run form shows as well."""
    about = (flow.description or "").partition("\n")[0]
    module = f"flows.{flow.name.replace('-', '_')}"
    parser = ArgumentParser(prog=f"python -m {module}", description=about)
    schema = parameter_schema(flow)
    for number, (name, field) in enumerate(schema.properties.items()):
        # argparse formats the help text with %.
        help_text = f"{field.get('description', '')}{_bounds(field)}".replace("%", "%%")
        if number:
            choices = _choices(field, schema.definitions or {})
            spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
            parser.add_argument(*spellings, help=help_text, **_option(field, choices))
        else:
            several = "*" if field.get("type") == "array" else None
            parser.add_argument(
                name, metavar=name.upper().removesuffix("S"), help=help_text, nargs=several
            )
    return parser


def _bounds(field: dict[str, Any]) -> str:
    """Say which numbers a parameter takes, and its default."""
    notes = []
    if "minimum" in field and "maximum" in field:
        notes.append(f"{field['minimum']} to {field['maximum']}")
    default = field.get("default")
    if default and not isinstance(default, bool | list):
        notes.append(f"default: {default}")
    return f" ({'; '.join(notes)})" if notes else ""


def _choices(field: dict[str, Any], definitions: dict[str, Any]) -> list[str] | None:
    """Look up the values of an enumeration, or of a list of them."""
    named = field.get("items", field)
    found: dict[str, Any] = definitions.get(named.get("$ref", "").rpartition("/")[2], named)
    return found.get("enum")


def _option(field: dict[str, Any], choices: list[str] | None) -> dict[str, Any]:
    """Give the arguments of `add_argument` for a parameter with a default."""
    default = field["default"]
    if isinstance(default, bool):
        return {"action": "store_true"}
    if isinstance(default, list):
        return {"nargs": "+", "default": default, "choices": choices}
    if isinstance(default, int):
        return {"type": int, "default": default, "metavar": "N"}
    value = default.value if isinstance(default, Enum) else default
    return {"default": value, "choices": choices}
