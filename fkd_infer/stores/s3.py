"""S3 and stores that speak its protocol: listed page by page, read in one request."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fkd_infer.stores.address import Address
from fkd_infer.stores.faults import retried
from fkd_infer.stores.store import ChangedError, Store, StoredObject, stored_object

_PAGE = 1000
"""Objects that are listed at a time, which is the most that S3 allows."""
_CHUNK_BYTES = 1 << 20
_PART_BYTES = 16 << 20
"""Of an object that is written in parts: S3 allows 10,000 of them."""
_MAX_PARTS = 10_000
_REFUSED = ("AccessDenied", "403")


class S3Store(Store):
    """S3, by s3fs: what differs from other stores."""

    def objects(self, folder: Address) -> Iterator[StoredObject]:
        """All objects whose key begins with a folder's; a page at a time."""
        bucket, key = _split(folder)
        prefix = f"{key}/" if key else ""
        request = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": _PAGE}
        while True:
            page = retried(partial(self.system.call_s3, "list_objects_v2", **request))
            for entry in page.get("Contents", ()):
                if not entry["Key"].endswith("/"):  # what consoles make for an empty folder
                    address = Address(f"s3://{bucket}/{entry['Key']}")
                    yield stored_object(address, {**entry, "size": entry["Size"]})
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def read(self, stored: StoredObject, to: Path) -> None:
        """Copies an object to a file, if it is still the one that was listed."""
        from fsspec.asyn import sync

        bucket, key = _split(stored.address)
        condition = {"IfMatch": f'"{stored.version}"'} if stored.version else {}
        try:
            response = self.system.call_s3("get_object", Bucket=bucket, Key=key, **condition)
        except OSError as error:
            if _code(error) in ("PreconditionFailed", "412"):
                raise ChangedError from error
            raise
        body, size = response["Body"], 0
        try:
            with to.open("wb") as file:
                while chunk := sync(self.system.loop, body.read, _CHUNK_BYTES):
                    file.write(chunk)
                    size += len(chunk)
        finally:
            body.close()
        if size != stored.size:
            if size == response["ContentLength"]:
                raise ChangedError
            raise ConnectionError("the connection ended too early")

    def write(self, file: Path, address: Address) -> None:
        """Copies a file to an object: in parts if it is large, which are dropped after an error."""
        size = file.stat().st_size
        call, (bucket, key) = self.system.call_s3, _split(address)
        target = {"Bucket": bucket, "Key": key}
        if size <= _PART_BYTES:
            call("put_object", **target, Body=file.read_bytes())
            return
        upload = {**target, "UploadId": call("create_multipart_upload", **target)["UploadId"]}
        try:
            parts = self._write_parts(file, upload, max(_PART_BYTES, -(-size // _MAX_PARTS)))
            call("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts})
        except BaseException:
            call("abort_multipart_upload", **upload)
            raise

    def check(self, address: Address) -> None:
        """Raises an error unless the bucket exists; who may only write need not list it."""
        try:
            self.system.call_s3("list_objects_v2", Bucket=_split(address)[0], MaxKeys=1)
        except PermissionError as error:
            if _code(error) not in _REFUSED:
                raise

    def _write_parts(
        self, file: Path, upload: dict[str, str], part_bytes: int
    ) -> list[dict[str, object]]:
        parts: list[dict[str, object]] = []
        with file.open("rb") as data:
            while chunk := data.read(part_bytes):
                number = len(parts) + 1
                done = self.system.call_s3("upload_part", **upload, PartNumber=number, Body=chunk)
                parts.append({"PartNumber": number, "ETag": done["ETag"]})
        return parts


def _split(address: Address) -> tuple[str, str]:
    return address.container.url.partition("://")[2], address.key


def _code(error: BaseException) -> str:
    """The code by which S3 names an error."""
    response: Any = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
