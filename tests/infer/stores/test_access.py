"""Objects that are listed, fetched and uploaded: what passes, what does not, and its one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("s3fs")
pytest.importorskip("moto")
from s3_server import Environ, S3Server, s3_server, use

from fkd_infer.errors import InstallError, StoreAccessError, StoreError
from fkd_infer.stores import faults, s3, temporary
from fkd_infer.stores.access import check_container, fetch, find, objects_below, upload
from fkd_infer.stores.address import Address
from fkd_infer.stores.output import local_output, local_update
from fkd_infer.stores.store import StoredObject

BUCKET = Address.parse("s3://bucket")


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setattr(faults, "_FIRST_WAIT_S", 0.01)
    yield running
    running.fault = lambda _: None


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    return use(server, monkeypatch)


def put(bucket: Any, key: str, data: bytes) -> StoredObject:
    bucket.pipe_file(f"bucket/{key}", data)
    stored = find(BUCKET / key)
    assert stored is not None
    return stored


def several(fault: str, times: int, method: str = "GET", end: str = "") -> Any:
    """Fails so many requests of a method."""
    left = [times]

    def choose(environ: Environ) -> str | None:
        wanted = environ["REQUEST_METHOD"] == method and environ["PATH_INFO"].endswith(end)
        if not wanted or not left[0]:
            return None
        left[0] -= 1
        return fault

    return choose


class TestS3:
    def test_lists_page_by_page(
        self, server: S3Server, bucket: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3, "_PAGE", 10)
        for number in range(12):
            bucket.pipe_file(f"bucket/a/{number:04d}.jpg", b"x")
        bucket.pipe_file("bucket/ab/other.jpg", b"x")
        bucket.pipe_file("bucket/a/folder/", b"")
        server.requests.clear()
        objects = objects_below(BUCKET / "a")
        first = next(objects)
        assert (str(first.address), first.size) == ("s3://bucket/a/0000.jpg", 1)
        assert len(server.requests) == 1
        assert len(list(objects)) == 11
        assert len(server.requests) == 2

    def test_throttling_passes(self, server: S3Server, bucket: Any, tmp_path: Path) -> None:
        stored = put(bucket, "a.jpg", b"all of it")
        server.fault = several("SlowDown", 3)
        assert fetch(stored, tmp_path / "a") == stored
        assert (tmp_path / "a").read_bytes() == b"all of it"

    def test_a_cut_connection_passes(self, server: S3Server, bucket: Any, tmp_path: Path) -> None:
        data = os.urandom(3 << 20)
        stored = put(bucket, "a.jpg", data)
        server.fault = several("cut", 2, end="a.jpg")
        fetch(stored, tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == data
        assert server.requests.count(("GET", "/bucket/a.jpg")) == 3

    def test_what_does_not_pass_is_told(
        self, server: S3Server, bucket: Any, tmp_path: Path
    ) -> None:
        stored = put(bucket, "a.jpg", bytes(1000))
        server.fault = several("cut", 99)
        with pytest.raises(StoreError, match=r"^s3://bucket/a.jpg: cannot be read: ."):
            fetch(stored, tmp_path / "a")

    def test_a_changed_object_is_read_as_it_is(self, bucket: Any, tmp_path: Path) -> None:
        old = put(bucket, "a.jpg", b"older")
        new = put(bucket, "a.jpg", b"newer")
        assert fetch(old, tmp_path / "a") == new
        assert (tmp_path / "a").read_bytes() == b"newer"

    def test_an_object_that_is_gone(self, bucket: Any, tmp_path: Path) -> None:
        stored = put(bucket, "a.jpg", b"x")
        bucket.rm_file("bucket/a.jpg")
        with pytest.raises(StoreError, match=r"a\.jpg: cannot be read: there is no such object"):
            fetch(stored, tmp_path / "a")
        assert find(BUCKET / "a.jpg") is None

    def test_large_files_are_uploaded_in_parts(
        self, server: S3Server, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3, "_PART_BYTES", 5 << 20)
        data = os.urandom(11 << 20)
        (tmp_path / "a").write_bytes(data)
        server.fault = several("SlowDown", 1, "PUT")
        stored = upload(tmp_path / "a", BUCKET / "deep/er/a.mp4")
        assert stored.size == len(data)
        assert bucket.cat_file("bucket/deep/er/a.mp4") == data

    def test_an_upload_that_ends_early_leaves_nothing(
        self, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3, "_PART_BYTES", 5 << 20)
        (tmp_path / "a").write_bytes(bytes(11 << 20))
        own = type(bucket).call_s3

        def call(system: Any, method: str, **request: Any) -> Any:
            if request.get("PartNumber") == 2:
                raise KeyboardInterrupt
            return own(system, method, **request)

        monkeypatch.setattr(type(bucket), "call_s3", call)
        with pytest.raises(KeyboardInterrupt):
            upload(tmp_path / "a", BUCKET / "a.mp4")
        monkeypatch.undo()
        assert "Uploads" not in bucket.call_s3("list_multipart_uploads", Bucket="bucket")
        assert not bucket.exists("bucket/a.mp4")

    def test_refused_credentials(self, server: S3Server, bucket: Any) -> None:
        server.fault = several("InvalidAccessKeyId", 99)
        why = r"^s3://bucket/a: cannot be listed: the store refuses these credentials: as told; set"
        with pytest.raises(StoreAccessError, match=why):
            next(objects_below(BUCKET / "a"))
        with pytest.raises(StoreAccessError, match="refuses these credentials"):
            check_container(BUCKET / "out")
        server.fault = several("AccessDenied", 99)
        check_container(BUCKET / "out")  # who may write need not be allowed to list

    def test_no_credentials(self, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
        type(bucket).clear_instance_cache()
        why = "s3://bucket/a: cannot be listed without valid credentials; set AWS_ACCESS_KEY_ID"
        with pytest.raises(StoreAccessError, match=why):
            next(objects_below(BUCKET / "a"))
        type(bucket).clear_instance_cache()

    def test_a_missing_bucket(self, bucket: Any, tmp_path: Path) -> None:
        missing = Address.parse("s3://missing/a")
        with pytest.raises(StoreAccessError, match="cannot be listed: there is no s3://missing"):
            next(objects_below(missing))
        with pytest.raises(StoreAccessError, match="cannot be written: there is no s3://missing"):
            check_container(missing)


class TestOutputs:
    def test_an_object_is_written_once_it_is_complete(self) -> None:
        address = Address.parse("memory://outputs/a.txt")
        with local_output(address) as output:
            output.path.write_text("complete")
            assert find(address) is None
        assert output.stored == find(address)
        assert not output.path.exists()

    def test_an_unexpected_error_writes_nothing(self) -> None:
        address = Address.parse("memory://outputs/b.txt")
        with suppress(ZeroDivisionError), local_output(address) as output:
            output.path.write_text("half")
            output.path.write_text(str(1 // 0))
        assert find(address) is None

    def test_errors_name_the_address(self) -> None:
        address = Address.parse("memory://outputs/c.txt")
        why = r"^memory://outputs/c\.txt: is odd"
        with pytest.raises(StoreError, match=why), local_output(address) as output:
            raise StoreError(output.path, "is odd")

    def test_updates_and_removes(self) -> None:
        address = Address.parse("memory://outputs/d.txt")
        for _ in range(2):
            with local_update(address) as path:
                path.write_text(path.read_text() + "x" if path.exists() else "x")
        stored = find(address)
        assert stored is not None
        assert stored.size == 2
        with local_update(address) as path:
            path.unlink()
        assert find(address) is None


def test_what_a_killed_process_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    temporary._own_folder.cache_clear()
    left = tmp_path / "fkd-copies-left"
    left.mkdir()
    (left / ".lock").touch()
    (left / "a.jpg").touch()
    os.utime(left / ".lock", (0, 0))
    fresh = tmp_path / "fkd-copies-fresh"
    fresh.mkdir()
    (fresh / ".lock").touch()
    own = temporary.new_folder()
    assert not left.exists()
    assert fresh.exists()
    temporary._own_folder.cache_clear()
    os.utime(own.parent / ".lock", (0, 0))
    temporary.new_folder()
    assert own.exists()  # its process still lives
    monkeypatch.undo()
    temporary._own_folder.cache_clear()


def test_a_missing_package_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(InstallError, match=r"fsspec is not installed; fix it with: pip install "):
        find(BUCKET / "a")
