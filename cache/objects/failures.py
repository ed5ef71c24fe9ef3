"""What object stores answer when something is wrong, in one line that says what to do."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from ...errors import CacheUnreachableError, in_brief
from .address import without_secrets

if TYPE_CHECKING:
    from .address import Address

_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_NETWORK = "check the network, AWS_ENDPOINT_URL, and that the server runs"
_REGION = "set AWS_DEFAULT_REGION to the region of the bucket"
_DENIED = "the credentials must allow to list, read, write and delete what is below it"
_REFUSED = f"the credentials are refused: {_CREDENTIALS}"
_NONE = f"there are no credentials: {_CREDENTIALS}"
_BUSY = "the server is too busy: run the command again later"
_OF_CODES = {
    "NoSuchBucket": "there is no bucket of this name: create it, or check the name and "
    "AWS_ENDPOINT_URL",
    "InvalidBucketName": "no bucket can have this name: check it",
    "AccessDenied": f"access is denied: {_DENIED}",
    "AllAccessDisabled": f"access is denied: {_DENIED}",
    "AccountProblem": f"access is denied: {_DENIED}",
    "403": f"access is denied: {_DENIED}",
    "Forbidden": f"access is denied: {_DENIED}",
    "InvalidAccessKeyId": _REFUSED,
    "SignatureDoesNotMatch": _REFUSED,
    "InvalidToken": _REFUSED,
    "ExpiredToken": f"the credentials have expired: {_CREDENTIALS}",
    "TokenRefreshRequired": f"the credentials have expired: {_CREDENTIALS}",
    "RequestTimeTooSkewed": "the clock of this machine is wrong: set it",
    "PermanentRedirect": f"the bucket is in another region: {_REGION}",
    "301": f"the bucket is in another region: {_REGION}",
    "AuthorizationHeaderMalformed": f"the bucket is in another region: {_REGION}",
    "IllegalLocationConstraintException": f"the bucket is in another region: {_REGION}",
    "SlowDown": _BUSY,
    "ServiceUnavailable": _BUSY,
    "503": _BUSY,
}
_OF_KINDS = {
    "NoCredentialsError": _NONE,
    "PartialCredentialsError": _NONE,
    "CredentialRetrievalError": _NONE,
    "TokenRetrievalError": _NONE,
    "SSOError": _NONE,
    "ProfileNotFound": "AWS_PROFILE names no profile of ~/.aws/config: correct it",
    "SSLError": "the server's certificate is not trusted: check AWS_ENDPOINT_URL and AWS_CA_BUNDLE",
    "ParamValidationError": "no bucket can have this name: check it",
}
_OF_NETWORK = (
    "HTTPClientError",  # botocore's, of which timeouts and closed connections are
    "ConnectionError",
    "TimeoutError",
    "ClientError",  # aiohttp's
    "FSTimeoutError",
    "IncompleteReadError",
    "ResponseParserError",
)


def code_of(error: BaseException) -> str:
    """What S3 calls it; empty where it is nothing that a server has answered."""
    response: Any = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    return str(response["Error"].get("Code", "")) if isinstance(response, dict) else ""  # pyright: ignore


def is_conflict(error: BaseException) -> bool:
    """Whether another wrote the same object at the same moment, so that it is tried again."""
    return code_of(error) in ("ConditionalRequestConflict", "OperationAborted", "409")


def translated(error: Exception, address: Address, endpoint: str) -> OSError:
    """What is raised in place of an error: one that says that a blob is or is not there, or why
    the store cannot be used.
    """
    code = code_of(error)
    if code in ("PreconditionFailed", "412") or isinstance(error, FileExistsError):
        return FileExistsError(errno.EEXIST, "it exists")
    is_missing = isinstance(error, FileNotFoundError) and code != "NoSuchBucket"
    if is_missing:
        return FileNotFoundError(errno.ENOENT, "there is no such object")
    reason = without_secrets(_reason(error, code, endpoint))
    failure = CacheUnreachableError(f"{address.url} cannot be used: {reason}")
    failure.strerror = reason  # who adds what was to be done quotes this
    return failure


def _reason(error: Exception, code: str, endpoint: str) -> str:
    if code in _OF_CODES:
        return _OF_CODES[code]
    kinds = [kind.__name__ for kind in type(error).__mro__]
    for kind in kinds:
        if kind in _OF_KINDS:
            return _OF_KINDS[kind]
    if not code and any(kind in _OF_NETWORK for kind in kinds):
        return f"{endpoint} does not answer ({_said(error)}): {_NETWORK}"
    if isinstance(error, PermissionError):
        return f"access is denied: {_DENIED}"
    if code:
        return f"{endpoint} answers {code}: run the command again, or look into the server's log"
    return f"{endpoint} cannot be used ({_said(error)}): {_NETWORK}"


def _said(error: Exception) -> str:
    """An error in a few words, without the URL that it asked for."""
    text = in_brief(error, 200).partition('URL: "')[0].removesuffix(" on endpoint ").strip()
    too_long = "it takes too long" if isinstance(error, TimeoutError) else type(error).__name__
    return text.removesuffix("to the endpoint").strip() or too_long
