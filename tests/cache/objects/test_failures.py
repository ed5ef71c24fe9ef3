"""What is wrong with a store is said in one line, which holds no secret."""

import os
import subprocess
import sys

import pytest

import bottlebank as bb
from bottlebank.cache import CacheFolder
from bottlebank.cache.objects.address import without_secrets
from bottlebank.errors import CacheError, CacheUnreachableError, UsageError
from tests.cache.faults import PRINT, RECIPE

from .s3_server import refused

SECRET = "s3cr3t"


def reason(url):
    """What opening and listing a cache says."""
    with pytest.raises(bb.BottlebankError) as refusal, CacheFolder(url) as folder:
        folder.fingerprints()
    message = str(refusal.value)
    assert "\n" not in message
    assert SECRET not in message
    assert len(message) < 400
    return message, type(refusal.value)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AccessDenied", "access is denied: the credentials must allow to list"),
        ("InvalidAccessKeyId", "the credentials are refused: set AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "the credentials are refused"),
        ("ExpiredToken", "the credentials have expired"),
        ("RequestTimeTooSkewed", "the clock of this machine is wrong"),
        ("AuthorizationHeaderMalformed", "in another region: set AWS_DEFAULT_REGION"),
        ("OddThing", "answers OddThing"),
    ],
)
def test_what_a_server_answers(url, server, code, expected):
    server.before = lambda request: refused(code)
    message, _ = reason(url)
    assert message.startswith(f"{url} cannot be read: ")
    assert expected in message


def test_a_bucket_that_is_not_there(server):
    message, kind = reason("s3://nowhere/cache")
    assert message.startswith("s3://nowhere/cache cannot be read: there is no bucket of this name")
    assert kind is CacheError


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1 does not answer"),
        ({"AWS_ENDPOINT_URL": "http://nowhere.invalid"}, "nowhere.invalid does not answer"),
        ({"AWS_ENDPOINT_URL": "127.0.0.1:9000"}, "AWS_ENDPOINT_URL is '127.0.0.1:9000'; expected"),
        ({"AWS_ENDPOINT_URL": f"http://me:{SECRET}@127.0.0.1"}, "without a user or a password"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "there are no credentials: set"),
        ({"AWS_ACCESS_KEY_ID": SECRET, "AWS_SECRET_ACCESS_KEY": ""}, "there are no credentials"),
        ({"AWS_PROFILE": "nobody"}, "AWS_PROFILE names no profile"),
    ],
    ids=["down", "no host", "no URL", "password", "no credentials", "no secret", "no profile"],
)
def test_what_a_person_has_set(url, monkeypatch, settings, expected):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    message, _ = reason(url)
    assert expected in message


def test_a_server_that_says_nothing(url, monkeypatch, server):
    import socket

    from bottlebank.cache.objects import s3

    monkeypatch.setattr(s3, "_READ_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
        message, _ = reason(url)
    assert "does not answer (Read timeout): check the network" in message


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("s3://", "expected a URL such as s3://bucket/prefix, received 's3://'"),
        ("s3:///prefix", "received 's3:///prefix'"),
        ("s3://bucket/a/../b", "expected a URL such as"),
        ("s3://bucket/a?versionId=1", "expected a URL such as"),
        (f"s3://key:{SECRET}@bucket/prefix", "holds no password: name 's3://bucket/prefix'"),
        (f"sftp://me:{SECRET}@host/prefix", "holds no password: name 'sftp://host/prefix'"),
        (f"s3://AKIA:wJalr/{SECRET}@bucket/prefix", "holds no password: name 's3://bucket/prefix'"),
        (f"s3://bucket/wJalr/{SECRET}@other/prefix", "holds no password: name 's3://other/prefix'"),
        (f"s3://AKIA:{SECRET}/bucket", "holds no password: name 's3://…'"),
        (f"s3://AKIA:a@b?{SECRET}", "holds no password: name 's3://…'"),
        (f"s3://bucket/a?token=x@{SECRET}", "holds no password: name 's3://…'"),
        (f"https://{SECRET}@host/x", "holds no password: name 'https://host/x'"),
        (f"sftp://me:a/{SECRET}@host/x", "holds no password: name 'sftp://host/x'"),
        (f"abfs://c:{SECRET}@account/x", "holds no password: name 'abfs://account/x'"),
        (f"https://host/c/p?sv=1&sig={SECRET}", "without what follows ? or #, received 'https:"),
        (f"https://host/c/p#{SECRET}", "received 'https://host/c/p'"),
        (f"https://host?sig={SECRET}", "received 'https://host'"),
        (f"file:///tmp/cache?{SECRET}", "named by its path alone, not by 'file:///tmp/cache'"),
        ("file:///tmp/cache", "named by its path alone, not by 'file:///tmp/cache'"),
        ("nothing://bucket", "fsspec knows no protocol nothing://"),
    ],
)
def test_urls_that_no_cache_has(server, place, expected):
    message, kind = reason(place)
    assert kind is UsageError
    assert expected in message


def test_a_url_that_was_made_a_path(server, tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="received 's3:/bucket/x': a path has lost one of its"):
        CacheFolder(Path("s3://bucket/x"))
    with pytest.raises(UsageError, match="a path has lost one of its") as refusal:
        CacheFolder(Path(f"s3://AKIA:wJalr/{SECRET}@bucket/x?{SECRET}"))
    assert SECRET not in str(refusal.value)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"http://me:a/{SECRET}@host/x does not answer", "http://host/x does not answer"),
        (f"http://me:a {SECRET}@host", "http://host"),
        (f"GET 'https://host/x?sig={SECRET}' failed", "GET 'https://host/x' failed"),
        (f"https://host#{SECRET} and http://a?b={SECRET}", "https://host and http://a"),
        ("what is it? write to me@example.com", "what is it? write to me@example.com"),
    ],
)
def test_urls_in_texts_of_others(text, expected):
    assert without_secrets(text) == expected


@pytest.mark.parametrize("library", ["s3fs", "fsspec"])
def test_without_its_library(server, library):
    script = (
        f"import sys\nsys.modules[{library!r}] = None\n"
        "from bottlebank.cli import main\n"
        "sys.exit(main(['cache', 'info', '--cache', 's3://bucket/x']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    expected = "bottlebank: a cache at s3:// needs s3fs: pip install s3fs\n"
    assert done.stderr.endswith(expected)


def test_what_could_not_be_written_is_said_and_what_was_is_kept(url, server):
    import numpy as np

    from tests.cache.faults import key

    with CacheFolder(url) as folder:
        cache = folder.open(PRINT, "float32")

        def write():
            with cache.writer(RECIPE) as writer:
                writer.extend([key(1)], [b"1"], np.ones((1, 8), np.float32))
                writer.commit()
                server.before = lambda request: (
                    refused("AccessDenied") if request["REQUEST_METHOD"] == "PUT" else None
                )
                writer.extend([key(2)], [b"2"], np.ones((1, 8), np.float32))

        with pytest.raises(CacheError, match=r"1 row could not be written to s3://.*: access is"):
            write()
        server.before = None
        assert not isinstance(cache, CacheUnreachableError)
        assert folder.open(PRINT, "float32").keys() == [key(1)]


def test_a_cache_in_a_folder_loads_nothing_of_it(tmp_path):
    script = (
        "import sys\n"
        "from bottlebank.cache import CacheFolder\n"
        f"with CacheFolder({str(tmp_path)!r}) as folder:\n"
        "    folder.fingerprints()\n"
        "print([name for name in ('fsspec', 's3fs', 'botocore', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"
