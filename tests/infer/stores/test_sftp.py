"""Folders of another machine by sftp: here, a server of this machine with its own keys."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sshfs")
import asyncssh
from repo_paths import TESTS

from fkd_infer.errors import StoreAccessError, StoreError
from fkd_infer.stores import faults
from fkd_infer.stores.access import fetch, find, objects_below, upload
from fkd_infer.stores.address import Address


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """The address of a folder, whose host is known and whose key is in the agent's place."""
    home = tmp_path / "home" / ".ssh"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSH_AUTH_SOCK", "")
    monkeypatch.setattr(faults, "_FIRST_WAIT_S", 0.01)
    for name in ("id_ed25519", "host"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(home / name))
        key.write_public_key(str(home / f"{name}.pub"))
    shutil.copy(home / "id_ed25519.pub", home / "accepted")
    files = [tmp_path, home / "accepted", home / "host"]
    command = [sys.executable, str(TESTS / "sftp_server.py"), *map(str, files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        known = f"[127.0.0.1]:{port} {(home / 'host.pub').read_text()}"
        (home / "known_hosts").write_text(known)
        yield Address.parse(f"sftp://me@127.0.0.1:{port}/photos")
        server.kill()


def test_files_come_and_go(address: Address, tmp_path: Path) -> None:
    (tmp_path / "photos" / "b").mkdir(parents=True)
    (tmp_path / "photos" / "a.jpg").write_bytes(b"first")
    (tmp_path / "photos" / "b" / "c.jpg").write_bytes(b"second")
    found = list(objects_below(address))
    assert [each.address for each in found] == [address / "a.jpg", address / "b/c.jpg"]
    fetch(found[1], tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"second"
    assert "me@" not in str(found[0].address)
    for _ in range(2):  # the second time in place of the first
        stored = upload(tmp_path / "copy", address / "new/er/d.jpg")
    assert stored.size == 6
    assert [path.name for path in (tmp_path / "photos" / "new" / "er").iterdir()] == ["d.jpg"]
    assert find(address / "none.jpg") is None


def test_a_host_that_is_not_known_is_refused(address: Address, tmp_path: Path) -> None:
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text("")
    with pytest.raises(StoreError, match="known_hosts"):
        find(address / "a.jpg")


def test_a_key_that_is_not_accepted(address: Address, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    other.write_private_key(str(tmp_path / "home" / ".ssh" / "id_ed25519"))
    (tmp_path / "home" / ".ssh" / "id_ed25519.pub").unlink()
    with pytest.raises(StoreAccessError, match="cannot be read without valid credentials; add a"):
        find(address / "a.jpg")
