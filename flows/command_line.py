"""A flow from the shell: its parameters as arguments, its outcome as the exit status."""

import signal
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from pydantic import ValidationError

from flows.server import ServerError, prefect_api
from imgur_mirror.address import BadAddress, parse
from imgur_mirror.answers import BadCredentials
from imgur_mirror.settings import BadSettings, read_settings
from imgur_mirror.store import StoreError, album_folder

__all__ = ["main"]

DONE, MISSING, WRONG_CALL = 0, 1, 2
STOPPED = "stopped; what was finished is kept, and the same call goes on from there"


def main(
    flow: Flow[..., Any], described: Callable[[Any], str], arguments: Sequence[str] | None = None
) -> int:
    """Run a flow with the shell's arguments, print what it found, and give the exit status.

    0: all is there. 1: something is missing; standard error says what. 2: the call or the
    settings are wrong; standard error says how to mend them. 130 and 143: it was stopped, by
    Ctrl-C or by SIGTERM.
    """
    parameters = vars(_parser(flow).parse_args(arguments))
    try:
        checked = flow.validate_parameters(parameters)
        for album in checked.get("albums", [checked.get("album")]):
            parse(album)
        album_folder(checked.get("downloads") or read_settings().downloads, "album")
    except (BadAddress, BadSettings, StoreError) as error:
        return _fail(str(error), WRONG_CALL)
    except (ParameterTypeError, ValidationError) as error:
        return _fail(_one_line(error), WRONG_CALL)
    try:
        with _terminable(), prefect_api():
            state: State[Any] = flow(**checked, return_state=True)  # type: ignore[assignment]
            return _outcome(state, described)
    except ServerError as error:
        return _fail(str(error), MISSING)
    except KeyboardInterrupt:
        return _fail(STOPPED, 128 + signal.SIGINT)
    except _Terminated:
        return _fail(STOPPED, 128 + signal.SIGTERM)


class _Terminated(BaseException):
    """SIGTERM came; Prefect's flows record it and pass it on."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM raise, as Ctrl-C does, so that a server that was started is stopped too."""

    def terminate(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _outcome(state: State[Any], described: Callable[[Any], str]) -> int:
    if state.is_completed():
        print(described(state.result()))
        return DONE
    error = state.result(raise_on_failure=False)
    wrong = isinstance(error, BadAddress | BadSettings | BadCredentials)
    return _fail(state.message or f"the run ended {state.name}", WRONG_CALL if wrong else MISSING)


def _fail(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status


def _one_line(error: Exception) -> str:
    """Say which argument is wrong and why, out of pydantic's several lines."""
    return " ".join(str(error).split())


def _parser(flow: Flow[..., Any]) -> ArgumentParser:
    """Make a parser of the flow's own parameters, which the run form shows as well."""
    about = (flow.description or "").partition("\n")[0]
    module = f"flows.{flow.name.replace('-', '_')}"
    parser = ArgumentParser(prog=f"python -m {module}", description=about)
    for number, (name, field) in enumerate(parameter_schema(flow).properties.items()):
        # argparse takes % for its own
        help_text = str(field.get("description", "")).replace("%", "%%")
        if number:
            parser.add_argument(f"--{name}", help=help_text, **_option(field))
        else:
            several = "*" if field.get("type") == "array" else None
            parser.add_argument(name, metavar="ALBUM", help=help_text, nargs=several)
    return parser


def _option(field: dict[str, Any]) -> dict[str, Any]:
    """Say how argparse reads a parameter with a default."""
    default = field["default"]
    if isinstance(default, bool):
        return {"action": "store_true"}
    if isinstance(default, list):
        return {"nargs": "+", "default": default}
    kind = int if isinstance(default, int) else str
    return {"type": kind, "default": default.value if isinstance(default, Enum) else default}
