from __future__ import annotations

import itertools

import pytest
import s3fs

from .s3_server import BUCKET, S3Server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_server():
    """A server with one bucket, for all tests."""
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def server(s3_server, monkeypatch, tmp_path):
    """The same, as a person has set it up; what a test makes of it is undone."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server.url,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "XDG_CACHE_HOME": str(tmp_path / "platform"),
    }.items():
        monkeypatch.setenv(name, value)
    make_bucket()
    s3fs.S3FileSystem.clear_instance_cache()  # which others' environments had part in
    s3_server.requests.clear()
    yield s3_server
    s3_server.before = None


@pytest.fixture
def url(server):
    """An empty place in the bucket."""
    return f"s3://{BUCKET}/{next(_numbers)}/cache"


def make_bucket() -> None:
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    if not files.exists(BUCKET):
        files.mkdir(BUCKET)


@pytest.fixture
def files(server):
    """The bucket as s3fs shows it, past the cache."""
    return s3fs.S3FileSystem(
        endpoint_url=server.url, skip_instance_cache=True, use_listings_cache=False
    )
