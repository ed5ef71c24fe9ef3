"""What is peculiar to S3 and to s3fs."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any

from ...arguments import received
from ...errors import UsageError
from .address import without_secrets
from .failures import code_of

if TYPE_CHECKING:
    from collections.abc import Mapping

IN_PARTS_FROM_BYTES = 100 << 20
"""s3fs uploads in parts of 50 MiB from twice as many on."""
_CONNECT_S, _READ_S = 10, 20
_ATTEMPTS = 5
_CONNECTIONS = 32


def options(fsspec: Any, *, waits: bool) -> dict[str, Any]:
    """Settings of the file system, over which the person's own for fsspec go.

    `waits` says whether a store that does not answer is worth many attempts.

    Raises
    ------
    UsageError
        When the endpoint of the environment is none.
    """
    config: dict[str, Any] = {
        "connect_timeout": _CONNECT_S,
        "read_timeout": _READ_S,
        "max_pool_connections": _CONNECTIONS,
    }
    if not {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & os.environ.keys():
        config["retries"] = {"mode": "standard", "total_max_attempts": _ATTEMPTS if waits else 2}
    own: Mapping[str, Any] = fsspec.config.conf.get("s3", {})
    found: dict[str, Any] = {"config_kwargs": {**config, **own.get("config_kwargs", {})}}
    endpoint = endpoint_of_environment()
    if endpoint and "endpoint_url" not in own:  # another endpoint is another file system
        found["endpoint_url"] = endpoint
    return found


def endpoint_of_environment() -> str | None:
    """The server, where it is not Amazon's and no configuration file names it."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if given := os.environ.get(name):
            if not re.fullmatch(r"https?://[^/@\s]+(/[^@\s]*)?", given):
                raise UsageError(
                    f"{name} is {received(without_secrets(given))}; expected a URL such as "
                    f"http://127.0.0.1:9000, without a user or a password"
                )
            return given
    return None


def is_behind_the_end(error: OSError) -> bool:
    """Whether a range begins where the object has ended, as every range of an empty one does."""
    return error.__cause__ is not None and code_of(error.__cause__) in ("InvalidRange", "416")


def was_cut(error: OSError) -> bool:
    """Whether a connection ended in the middle of an answer, which botocore does not try again."""
    names = {kind.__name__ for kind in type(error.__cause__).__mro__}
    return bool(names & {"ClientPayloadError", "IncompleteReadError", "ResponseParserError"})


def abort_uploads(files: Any, path: str) -> None:
    """Abort every upload in parts below a folder."""
    bucket, key, _ = files.split_path(path)
    found = files.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{key}/")
    for upload in found.get("Uploads", []):
        where = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        with contextlib.suppress(FileNotFoundError):
            files.call_s3("abort_multipart_upload", **where)


def parts_are_conditional(files: Any, path: str) -> bool:
    """Whether completing an upload in parts is refused where there is an object."""
    bucket, key, _ = files.split_path(path)
    where = {"Bucket": bucket, "Key": key}
    upload = where | {"UploadId": files.call_s3("create_multipart_upload", **where)["UploadId"]}
    try:
        part = files.call_s3("upload_part", PartNumber=1, Body=b"probe", **upload)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        files.call_s3("complete_multipart_upload", MultipartUpload=parts, IfNoneMatch="*", **upload)
    except OSError as error:
        with contextlib.suppress(OSError):
            files.call_s3("abort_multipart_upload", **upload)
        if code_of(error) in ("PreconditionFailed", "412"):
            return True
        raise
    return False
