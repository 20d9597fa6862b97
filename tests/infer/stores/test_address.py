"""Addresses in stores: what is one, its parts, and no password in its text."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from fkd_infer.stores.address import Address, is_address, place


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/a.jpg", True),
        ("S3A://bucket", True),
        ("gs://bucket/a", True),
        ("az://container/a", True),
        ("hf://datasets/org/name/a.jpg", True),
        ("sftp://user@host/a", True),
        ("memory://a", True),
        ("s3://", False),
        ("s3:///", False),
        ("s3:/bucket/a", False),
        ("http://host/a.jpg", False),
        ("rtsp://host/a", False),
        ("C:\\a.jpg", False),
        ("a.jpg", False),
    ],
)
def test_schemes_tell_addresses_from_paths_and_streams(text: str, expected: bool) -> None:
    assert is_address(text) is expected
    assert isinstance(place(text), Address if expected else Path)


def test_parts_are_those_of_a_path() -> None:
    address = Address.parse("s3a://bucket/trip/day 1/a.b.JPG/")
    assert str(address) == "s3://bucket/trip/day 1/a.b.JPG"
    assert (address.name, address.stem, address.suffix) == ("a.b.JPG", "a.b", ".JPG")
    assert (str(address.container), address.key) == ("s3://bucket", "trip/day 1/a.b.JPG")
    assert str(address.parent) == "s3://bucket/trip/day 1"
    assert address.parent / PurePosixPath("a.b.JPG") == address
    assert Address.parse("s3://bucket").parent == Address.parse("s3://bucket") / ""


def test_passwords_are_kept_but_not_shown() -> None:
    address = Address.parse("ssh://me:p@ss@host:22/trip/a.jpg")
    assert address.url == "sftp://me:p@ss@host:22/trip/a.jpg"
    assert str(address) == repr(address) == "sftp://host:22/trip/a.jpg"
    with pytest.raises(ValueError, match="not the address of a store"):
        Address.parse("a.jpg")
