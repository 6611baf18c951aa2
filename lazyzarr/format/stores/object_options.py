"""URLs and storage options of remote stores, in obstore's words or in those of fsspec's file systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import BaseZarrError, StoreError
from .filesystems import FsspecStore
from .objects import ObjectStore
from .protocol import Store
from .remote import first_line, missing_library

__all__ = ["open_remote"]

_OBJECTS = {
    "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "azure": "az", "abfs": "abfs", "abfss": "abfss",
    "adl": "az", "http": "http", "https": "https",
}  # fmt: skip

# s3fs', gcsfs' and adlfs' words, and obstore's for the same
_WORDS = {
    "s3": {
        "key": "access_key_id",
        "secret": "secret_access_key",
        "token": "session_token",
        "endpoint_url": "endpoint",
        "region_name": "region",
        "anon": "skip_signature",
        "requester_pays": "request_payer",
    },
    "gs": {"token": "service_account", "anon": "skip_signature"},
    "az": {"anon": "skip_signature", "sas_token": "sas_token", "credential": "account_key"},
}
_OURS = ("config", "client_options", "retry_config", "credential_provider")


def open_remote(url: str, storage_options: Mapping[str, Any] | None, read_only: bool) -> Store:
    """The store at a URL: obstore's for clouds and HTTP, fsspec's for all else.

    Raises BaseZarrError for options that it does not take, or a library that is not installed, StoreError
    where it cannot be opened.
    """
    scheme, _, rest = url.partition("://")
    known = _OBJECTS.get(scheme.lower())
    if known is None or "::" in scheme:
        return FsspecStore.from_url(url, storage_options, read_only)
    url = f"{known}://{rest.rstrip('/')}"
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise missing_library(url, "obstore", error) from error
    try:
        client = from_url(url, **_translated(known, dict(storage_options or {})))
    except (TypeError, ValueError, KeyError) as error:
        raise _refused(url, storage_options, error) from error
    except Exception as error:
        if "ConfigurationKey" in type(error).__name__:
            raise _refused(url, storage_options, error) from error
        raise StoreError(f"{url} cannot be opened: {first_line(error)}", url) from error
    return ObjectStore(client, read_only=read_only)


def _refused(url: str, options: Mapping[str, Any] | None, error: BaseException) -> BaseZarrError:
    # names only: values may be secrets
    given = ", ".join(options or ()) or "none"
    return BaseZarrError(
        f"{url} does not take these storage_options ({given}): {first_line(error)}; obstore's names are known, "
        "and fsspec's common ones (anon, key, secret, token, endpoint_url, client_kwargs)"
    )


def _translated(scheme: str, options: dict[str, Any]) -> dict[str, Any]:
    """What obstore's `from_url` takes for options in its own words or in fsspec's."""
    own = {name: options.pop(name) for name in _OURS if name in options}
    client = dict(own.pop("client_options", None) or {})
    for nested in ("client_kwargs", "config_kwargs"):
        options = {**(options.pop(nested, None) or {}), **options}
    if "headers" in options:
        client["default_headers"] = options.pop("headers")
    if scheme == "gs" and options.get("token") == "anon":
        options["anon"] = bool(options.pop("token"))
    words = _WORDS.get("az" if scheme in ("az", "abfs", "abfss") else scheme, {})
    result = {words.get(name, name): value for name, value in options.items() if value is not None}
    for name, value in result.items():
        if isinstance(value, bool):
            result[name] = str(value).lower()
    endpoint = (
        result.get("endpoint") or result.get("aws_endpoint") or (own.get("config") or {}).get("endpoint")
    )
    if scheme == "http" or str(endpoint).startswith("http://"):
        client.setdefault("allow_http", True)
    return {**result, **own, **({"client_options": client} if client else {})}
