"""Servers on this machine, and stores on them."""

from __future__ import annotations

import itertools
import urllib.request

import pytest

from tests.servers import Server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_server():
    server = Server("s3")
    signed = (
        "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
    )
    headers = {"Host": "s3.amazonaws.com", "Authorization": signed}
    request = urllib.request.Request(f"{server.url}/bucket", method="PUT", headers=headers)
    urllib.request.urlopen(request, timeout=20).close()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server):
    """The server, doing nothing wrong."""
    s3_server.control()
    yield s3_server
    s3_server.control()


@pytest.fixture
def options(s3):
    """The storage options of the bucket."""
    return {
        "endpoint_url": s3.url,
        "key": "x",
        "secret": "y",
        "region": "us-east-1",
        "retry_config": {"max_retries": 2},
    }


@pytest.fixture
def bucket():
    """The URL of a new place in the bucket."""
    return f"s3://bucket/{next(_numbers)}"


@pytest.fixture(scope="session")
def files_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    server = Server("files", str(folder))
    server.folder = folder
    yield server
    server.close()


@pytest.fixture
def files(files_server):
    """The server of files, doing nothing wrong; its folder is `folder`."""
    files_server.control()
    yield files_server
    files_server.control()
