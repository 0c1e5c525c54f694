"""What a machine varies: read from the environment or `.env`, once a run, and passed on."""

import json
import re
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = [
    "PUBLIC_CLIENT_ID",
    "Access",
    "BadSettings",
    "Settings",
    "Wire",
    "host_and_port",
    "read_settings",
]

PUBLIC_CLIENT_ID = "546c25a59c58ad7"
"""The id that Imgur's own website sends: used where none is set, since Imgur gives out no more."""

_PLAIN = re.compile(r"[!-~]+")


class BadSettings(ValueError):
    """The environment or `.env` holds a value that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Access:
    """What it takes to ask the API: where it is, who asks, and how long to wait (seconds).

    `client_id_remedy` says what to do where Imgur refuses the client id; empty for the settings'.
    """

    api_url: str
    client_id: SecretStr | None
    client_secret: SecretStr | None
    connect_timeout: float = 10
    read_timeout: float = 30
    retries: int = 3
    backoff: float = 1
    client_id_remedy: str = ""

    def with_credentials(
        self, client_id: SecretStr | None, client_secret: SecretStr | None
    ) -> "Access":
        """Return it for other credentials: with the public id where the id is empty."""
        own = client_id is not None and client_id.get_secret_value().strip() != ""
        wanted = client_id if own else SecretStr(PUBLIC_CLIENT_ID)
        return replace(self, client_id=wanted, client_secret=client_secret)

    @property
    def is_public(self) -> bool:
        """Whether the id is the one of Imgur's website, whose limits many share."""
        return self.client_id is not None and (
            self.client_id.get_secret_value() == PUBLIC_CLIENT_ID
        )


@dataclass(frozen=True, slots=True)
class Wire:
    """How images come over the wire; holds no secret, since it is sent to other processes.

    Timeouts are in seconds; `read_timeout` is between two reads. `image_hosts` are `host` or
    `host:port`. `retries` come after the first try, the first after `backoff` seconds and each
    next after twice as many. `max_requests_per_second` is the bound on a run's requests,
    `rate_limit` the name of one that all runs keep to together.
    """

    image_hosts: tuple[str, ...]
    connect_timeout: float = 10
    read_timeout: float = 30
    max_bytes: int = 1 << 30
    retries: int = 3
    backoff: float = 1
    max_requests_per_second: float | None = None
    rate_limit: str | None = None


def _web_address(text: str) -> str:
    """The address with one slash at its end."""
    refusal = "give a web address such as https://api.imgur.com/"
    try:
        parts = urlsplit(text)
        expected = parts.hostname and _host_and_port(parts)
    except ValueError:
        # What it says quotes the address, which may hold a password.
        raise ValueError(refusal) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("leave user and password out of the address")
    if parts.scheme not in ("http", "https") or expected != parts.netloc.lower():
        raise ValueError(refusal)
    if parts.query or parts.fragment or not _PLAIN.fullmatch(text):
        raise ValueError(refusal)
    return text.rstrip("/") + "/"


def _host(text: str) -> str:
    """The host, or host and port, in lower case."""
    try:
        host = _host_and_port(urlsplit(f"//{text}"))
    except ValueError:
        host = None
    if host != text.lower() or not _PLAIN.fullmatch(text):
        raise ValueError("give hosts, or host:port, such as i.imgur.com")
    return host


def _json_list(value: object) -> object:
    """The list in a variable's text."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        # The parser's own error would quote the text.
        raise ValueError('give a JSON list such as ["i.imgur.com"]')  # noqa: TRY004 - pydantic's
    return found


def host_and_port(host: str, port: int | None) -> str:
    """Return `host` or `host:port`, as hosts are compared: IPv6 addresses in brackets."""
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


def _host_and_port(parts: SplitResult) -> str:
    return host_and_port(parts.hostname or "", parts.port)


def _without_blanks(value: object) -> object:
    """The text without blanks around it; None where nothing else is in it."""
    return (value.strip() or None) if isinstance(value, str) else value


# What a README shows in the place of a value.
_PLACEHOLDER = re.compile(r"…|\.{3}|x{3,}|<.*>|\[.*\]|your[ _-].*", re.IGNORECASE)


def _sendable(secret: SecretStr | None) -> SecretStr | None:
    """The secret, if it fits a header; a library that refuses it later would show it."""
    if secret is None:
        return None
    if _PLACEHOLDER.fullmatch(secret.get_secret_value()):
        raise ValueError(
            "this is the placeholder that stands for an id: put your own in its place, or leave"
            " the line out, and the public id of Imgur's website is used"
        )
    if not _PLAIN.fullmatch(secret.get_secret_value()):
        raise ValueError("it holds a space, a line's end or another character that none has")
    return secret


_Credential = Annotated[
    SecretStr | None, BeforeValidator(_without_blanks), AfterValidator(_sendable)
]


class Settings(BaseSettings):
    """The settings of the README's table; each is `IMGUR_` and its name, in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="IMGUR_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        # A refused value may be a secret: the message names the setting, never its value.
        hide_input_in_errors=True,
    )

    client_id: _Credential = Field(
        default=None, validation_alias=AliasChoices("IMGUR_CLIENT_ID", "CLIENT_ID")
    )
    client_secret: _Credential = Field(
        default=None, validation_alias=AliasChoices("IMGUR_CLIENT_SECRET", "CLIENT_SECRET")
    )
    api_url: Annotated[str, AfterValidator(_web_address)] = "https://api.imgur.com/"
    image_hosts: Annotated[
        tuple[Annotated[str, AfterValidator(_host)], ...], NoDecode, BeforeValidator(_json_list)
    ] = ("i.imgur.com",)
    downloads: str = "downloads"
    max_task_runs: int = Field(default=64, ge=1)
    connect_timeout: float = Field(default=10, gt=0, allow_inf_nan=False)
    read_timeout: float = Field(default=30, gt=0, allow_inf_nan=False)
    max_bytes: int = Field(default=1 << 30, ge=1)
    retries: int = Field(default=3, ge=0, le=20)
    backoff: float = Field(default=1, ge=0, allow_inf_nan=False)
    split_bytes: int = Field(default=1 << 20, ge=1 << 16)
    max_requests_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    rate_limit: str | None = None
    credentials_block: str | None = None
    dask_scheduler_address: str | None = Field(
        default=None, validation_alias="DASK_SCHEDULER_ADDRESS"
    )

    @property
    def access(self) -> Access:
        """What the API adapter needs; with the public id where none is set."""
        return Access(
            api_url=self.api_url,
            client_id=None,
            client_secret=None,
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            retries=self.retries,
            backoff=self.backoff,
        ).with_credentials(self.client_id, self.client_secret)

    @property
    def wire(self) -> Wire:
        """What the downloads need."""
        return Wire(
            image_hosts=self.image_hosts,
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            max_bytes=self.max_bytes,
            retries=self.retries,
            backoff=self.backoff,
            max_requests_per_second=self.max_requests_per_second,
            rate_limit=self.rate_limit,
        )


def read_settings() -> Settings:
    """Read the environment and `.env` now.

    Raises:
        BadSettings: naming each setting that cannot be used, and what it takes.
    """
    try:
        return Settings()
    except ValidationError as error:
        sentences = [f"{_variable(e['loc'][0])}: {_said(e['msg'])}" for e in error.errors()]
    except OSError as error:
        sentences = [f".env cannot be read: {error.strerror}"]
    except UnicodeError:
        sentences = [".env is not written in UTF-8"]
    raise BadSettings(
        "these settings cannot be used; mend them in the environment or in .env: "
        + "; ".join(sentences)
    )


def _variable(location: object) -> str:
    """The name of the environment variable behind a field of a validation error."""
    name = str(location).upper()
    return name if name.startswith(("IMGUR_", "CLIENT_", "DASK_")) else f"IMGUR_{name}"


def _said(message: str) -> str:
    """What a validator said, without pydantic's word for it."""
    return message.removeprefix("Value error, ")
