"""How an fsspec address is reached, and what it answers when it cannot be.

fsspec's calls block until their answer is there, while an event loop of fsspec's, in a thread of
each process, does the waiting for all of them at once. Every process makes its own connections
when it first needs them: none outlives a fork.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from imgur_mirror.settings import BadSettings
from imgur_mirror.store.errors import StoreAway, StoreError
from imgur_mirror.text import printable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["AT_ONCE", "S3", "BadStore", "check_address", "file_system", "protocol", "store_errors"]

AT_ONCE = 64
"""Requests that one process has under way to a store."""

S3 = ("s3", "s3a")

NEVER_WRITTEN = {
    *("data", "git", "gist", "github", "http", "https", "libarchive", "tar", "zip"),
    # Around another address.
    *("async_wrapper", "asyncwrapper", "blockcache", "cached", "dir", "filecache", "generic"),
    *("reference", "simplecache"),
}
"""What fsspec opens but no store is: it can be read only, or is no place of its own."""


class BadStore(StoreError, BadSettings):
    """A store cannot be used as it is set: its address, its credentials, a package that is missing.

    The sentence says which, and how to mend it.
    """


def protocol(address: str) -> str:
    """Return what an address begins with, such as `s3`."""
    return address.partition("://")[0]


def check_address(address: str) -> None:
    """Refuse an address that no store is at, or whose store needs a package that is not there.

    Raises:
        BadStore: for such an address.
    """
    scheme = protocol(address)
    # Not by urlsplit, for which a secret with a slash in it is a path.
    if re.match(r"[^@]*:[^@]*@", address.partition("://")[2]):
        raise BadStore(
            f"the address of the {scheme} store holds a password, which Prefect would keep: "
            f"leave it out, and set FSSPEC_{scheme.upper()}_PASSWORD"
        )
    if scheme in NEVER_WRITTEN:
        raise BadStore(
            f"nothing can be stored at {address}: {scheme} is no store; give a folder, or an "
            "address such as s3://bucket/mirror"
        )
    with store_errors(address):
        if set("*?[") & set(address):
            raise BadStore(f"{address} has one of * ? [ in it, which stand for other names too")
        if "::" in address or not address.partition("://")[2].strip("/"):
            raise BadStore(f"{address} names no place: give one such as s3://bucket/mirror")
        from fsspec import get_filesystem_class

        get_filesystem_class(scheme)


def file_system(address: str) -> tuple["AbstractFileSystem", str]:
    """Return the file system, the same for all threads of a process, and the path there."""
    from fsspec.core import url_to_fs

    if protocol(address) not in S3:
        return cast("tuple[AbstractFileSystem, str]", url_to_fs(address))
    system, path = url_to_fs(address, use_listings_cache=False, config_kwargs=_client())
    # botocore tries again what may pass; this is for answers that break off in their middle.
    system.retries = 2
    return system, path


def _client() -> dict[str, Any]:
    """How the client of S3 waits and tries again, where FSSPEC_S3 does not say otherwise."""
    from fsspec.config import conf

    own = {
        "max_pool_connections": AT_ONCE,
        "connect_timeout": 10,
        "read_timeout": 30,
        "retries": {"mode": "standard", "total_max_attempts": 5},
    }
    return own | dict(conf.get("s3", {}).get("config_kwargs", {}))


# By name: botocore may not be there, and is imported by nobody where the store is another.
_SETTINGS = {
    "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "CredentialRetrievalError": "look at the credentials",
    "ProfileNotFound": "mend AWS_PROFILE",
    "NoRegionError": "set AWS_DEFAULT_REGION",
    "InvalidRegionError": "mend AWS_DEFAULT_REGION",
    "ParamValidationError": "mend the address",
    "ValueError": "mend the address, or AWS_ENDPOINT_URL",
}

_CODES = {
    "InvalidBucketName": "mend the address",
    "AuthorizationHeaderMalformed": "set AWS_DEFAULT_REGION to the region of the bucket",
    "PermanentRedirect": "set AWS_DEFAULT_REGION or AWS_ENDPOINT_URL to where the bucket is",
    "301": "set AWS_DEFAULT_REGION or AWS_ENDPOINT_URL to where the bucket is",
}


@contextmanager
def store_errors(address: str) -> Iterator[None]:
    """Turn what a store, or the library that asks it, says into a sentence with its remedy."""
    try:
        yield
    except (StoreError, FileNotFoundError):
        raise
    except PermissionError as error:
        raise BadStore(
            f"{address} refuses the credentials: {printable(str(error))}; set those that may read "
            "and write there"
        ) from error
    except Exception as error:  # the library of each store has its own
        message = printable(str(error)) or type(error).__name__
        if remedy := _remedy(error):
            raise BadStore(f"{address} cannot be used: {message}; {remedy}") from error
        raise StoreAway(
            f"{address} does not answer as it should, though asked several times: {message}; run "
            "this again when it does: what was stored is kept"
        ) from error


def _remedy(error: Exception) -> str | None:
    """Say what to mend, where it is a setting and not the store or the way there."""
    if isinstance(error, ImportError):
        return "install that package beside this one"
    answer = getattr(error.__cause__, "response", None)
    code = str(answer.get("Error", {}).get("Code")) if isinstance(answer, Mapping) else ""
    return _CODES.get(code) or _SETTINGS.get(type(error).__name__)
