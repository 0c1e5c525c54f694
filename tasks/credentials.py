"""Imgur's credentials: from the environment or `.env`, or from a Prefect block."""

from dataclasses import replace
from functools import cache
from typing import cast

from prefect.blocks.core import Block
from prefect.context import FlowRunContext
from prefect.logging.loggers import flow_run_logger, get_run_logger
from pydantic import Field, SecretStr

from imgur_mirror.settings import Access, BadSettings, Settings

__all__ = ["ImgurCredentials", "access"]

TYPE, SLUG = "Imgur Credentials", "imgur-credentials"
EDIT = "edit it in the UI under Blocks"


class ImgurCredentials(Block):
    """What Imgur knows an application by; only the id is needed to read public albums."""

    _block_type_name = TYPE
    _block_type_slug = SLUG
    _description = "The client id and secret that Imgur gave to an application."

    client_id: SecretStr = Field(description="The client id, as Imgur gave it.")
    client_secret: SecretStr | None = Field(
        default=None, description="The client secret; reading public albums needs none."
    )


def access(settings: Settings) -> Access:
    """Return what the API adapter needs, with the block's credentials where the settings name one.

    Where no id is set, it is the public one, and the log says so.

    Raises:
        BadSettings: where there is no such block, or its client id is no text.
    """
    found = _access(settings)
    if found.is_public:
        _announce_public_id()
    return found


@cache
def _announce_public_id() -> None:
    """Say once in a process which id is used: a flow of many albums asks for each of them."""
    flow = FlowRunContext.get()
    # As the flow: what a task of a job logs below a warning is dropped.
    log = flow_run_logger(flow.flow_run, flow.flow) if flow and flow.flow_run else get_run_logger()
    log.info(
        "no client id is set: using the public id of Imgur's website, whose limits many share; "
        "to use an id of your own, set IMGUR_CLIENT_ID in the environment or in .env"
    )


def _access(settings: Settings) -> Access:
    if settings.credentials_block is None:
        return settings.access
    # The server's pages write a block's name behind its type.
    name = settings.credentials_block.removeprefix(f"{SLUG}/")
    block = _block(name)
    return replace(
        settings.access.with_credentials(block.client_id, block.client_secret),
        client_id_remedy=f"give {_named(name)} a client id that works, in the UI under Blocks",
    )


def _block(name: str) -> ImgurCredentials:
    try:
        return cast(ImgurCredentials, ImgurCredentials.load(name))
    except ValueError as error:
        raise BadSettings(
            f"IMGUR_CREDENTIALS_BLOCK is {name}, and the Prefect server has no block of that name "
            f"whose type is {TYPE}: register the type with python -m deployments.register, then "
            "create the block in the UI under Blocks"
        ) from error
    except RuntimeError:
        # Prefect's error would quote what the block holds.
        raise BadSettings(f"{_named(name)} has no client id that is text: {EDIT}") from None


def _named(name: str) -> str:
    return f"the Prefect block {name}, which IMGUR_CREDENTIALS_BLOCK names,"
