"""Imgur's credentials: from the environment or `.env`, or from a Prefect block."""

from dataclasses import replace
from typing import cast

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from imgur_mirror.settings import Access, BadSettings, Settings

__all__ = ["ImgurCredentials", "access"]


class ImgurCredentials(Block):
    """What Imgur knows an application by; only the id is needed to read public albums."""

    _block_type_name = "Imgur Credentials"
    _block_type_slug = "imgur-credentials"
    _description = "The client id and secret that Imgur gave to an application."

    client_id: SecretStr = Field(description="The client id, as Imgur gave it.")
    client_secret: SecretStr | None = Field(
        default=None, description="The client secret; reading public albums needs none."
    )


def access(settings: Settings) -> Access:
    """Give what the API adapter needs, with the block's credentials where the settings name one.

    Raises:
        BadSettings: where that block is not there.
    """
    name = settings.credentials_block
    if name is None:
        return settings.access
    try:
        block = cast(ImgurCredentials, ImgurCredentials.load(name))
    except ValueError as error:
        raise BadSettings(
            f"IMGUR_CREDENTIALS_BLOCK is {name}, and there is no such block: register its type "
            "with python -m deployments.register, then create the block in the UI under Blocks"
        ) from error
    return replace(settings.access, client_id=block.client_id, client_secret=block.client_secret)
