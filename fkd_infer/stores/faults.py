"""Faults of stores: which of them pass by themselves, and what all others mean for a user."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable, Iterator
from socket import gaierror
from typing import TypeVar

from fkd_infer.errors import FkdError, StoreAccessError, StoreError
from fkd_infer.stores.address import Address

T = TypeVar("T")

_ATTEMPTS = 5
_FIRST_WAIT_S = 0.5
_PATIENCE_S = 30.0
"""After which nothing is tried again: the packages of some stores have tried for long already."""
_PASSING_NUMBERS = (
    *(errno.EBUSY, errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNABORTED),
    *(errno.EPIPE, getattr(errno, "EREMOTEIO", errno.EIO), errno.EIO),
)
_PASSING_NAMES = (
    "ClientConnectionError ClientConnectorError ClientOSError ClientPayloadError "
    "ConnectionClosedError ConnectionLost ConnectTimeoutError EndpointConnectionError "
    "FSTimeoutError HTTPClientError IncompleteRead IncompleteReadError RateLimitError "
    "ReadTimeoutError ResponseStreamingError ServerDisconnectedError ServerTimeoutError "
    "ServiceRequestError ServiceResponseError"
)
"""Classes of the packages of stores, which would be slow to import, or are not installed."""
_NO_CREDENTIALS = (
    "NoCredentialsError PartialCredentialsError CredentialRetrievalError TokenRetrievalError "
    "ProfileNotFound DefaultCredentialsError RefreshError ClientAuthenticationError "
    "CredentialUnavailableError PermissionDenied LocalTokenNotFoundError"
)
_WRONG_CREDENTIALS = (
    "InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken TokenRefreshRequired "
    "RequestTimeTooSkewed AuthFailure InvalidClientTokenId"
)
_WAYS_IN = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run aws configure",
    "gs": "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS",
    "hf": "run hf auth login, or set HF_TOKEN",
    "sftp": "add a key with ssh-add or in ~/.ssh/config, and the host to ~/.ssh/known_hosts",
}
_WAY_INTO_AZURE = (
    "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and "
    "AZURE_STORAGE_ACCOUNT_KEY"
)


def retried(call: Callable[[], T]) -> T:
    """Calls a function; after errors that may pass, again, with longer and longer waits."""
    until = time.monotonic() + _PATIENCE_S
    for number in range(_ATTEMPTS - 1):
        try:
            return call()
        except Exception as error:
            if not _passes(error) or time.monotonic() > until:
                raise
            # At random, so that threads that were sent away together do not come back together.
            time.sleep(_FIRST_WAIT_S * 2**number * random.uniform(0.5, 1))  # nosec B311
    return call()


def store_error(address: Address, verb: str, error: Exception) -> StoreError:
    """The error for one of the packages of stores; `verb` is what could not be done: "read"."""
    names = {name for one in _chain(error) for name in _names_of(one)}
    text = _text(error)
    way_in = _WAYS_IN.get(address.scheme, _WAY_INTO_AZURE)
    if names & {*_NO_CREDENTIALS.split()} or "must provide" in text.lower():
        return StoreAccessError(address, f"cannot be {verb} without valid credentials", way_in)
    if names & {*_WRONG_CREDENTIALS.split()}:
        problem = f"cannot be {verb}: the store refuses these credentials: {text}"
        return StoreAccessError(address, problem, way_in)
    if "HostKeyNotVerifiable" in names:
        return StoreAccessError(address, f"cannot be {verb}: {text}", way_in)
    if isinstance(error, FileNotFoundError) or "ResourceNotFoundError" in names:
        if {"NoSuchBucket", "ContainerNotFound"} & names or not address.key:
            problem = f"cannot be {verb}: there is no {address.container}"
            return StoreAccessError(address, problem, "is its name right?")
        missing = "nothing there" if verb == "listed" else "no such object"
        return StoreError(address, f"cannot be {verb}: there is {missing}")
    if isinstance(error, PermissionError):
        kind = StoreAccessError if verb == "written" else StoreError
        return kind(address, f"cannot be {verb}: no permission: {text}", way_in)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        fix = "set TMPDIR to a folder with more of it"
        return StoreError(address, f"cannot be {verb}: no space for a temporary copy", fix)
    return StoreError(address, f"cannot be {verb}: {text}")


def _passes(error: Exception) -> bool:
    """Whether the same call may succeed a little later."""
    if any(isinstance(one, FkdError | gaierror) for one in _chain(error)):
        return False  # a name that leads nowhere is a wrong one, or there is no network
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    if isinstance(error, OSError) and error.errno in _PASSING_NUMBERS:
        return True
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    code = getattr(error, "code", status)
    if isinstance(code, int) and (code in (408, 429) or 500 <= code < 600):
        return True
    return bool({*_PASSING_NAMES.split()} & {kind.__name__ for kind in type(error).__mro__})


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it was raised from."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _names_of(error: BaseException) -> Iterator[str]:
    """The class of an error, and the code in the answer of a store."""
    yield type(error).__name__
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        yield str(response.get("Error", {}).get("Code", ""))
    yield str(getattr(error, "error_code", ""))


def _text(error: Exception) -> str:
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text.partition(" RequestId:")[0].rstrip(".") or type(error).__name__
