"""Addresses of objects in stores, such as s3://bucket/trip/a.jpg."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

_ALIASES = {"s3a": "s3", "gcs": "gs", "ssh": "sftp"}
SCHEMES = frozenset(
    ["s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "sftp", "ssh", "memory"]
)
"""What the address of a store begins with; memory is a store within this process."""


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """An object in a store, or the common beginning of several, as a folder.

    Its text has neither user nor password. Its parts are named as those of a Path.
    """

    url: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address in a text; raises ValueError if it is none."""
        if not is_address(text):
            raise ValueError(f"{text!r} is not the address of a store")
        scheme, _, rest = text.partition("://")
        scheme = scheme.lower()
        return cls(f"{_ALIASES.get(scheme, scheme)}://{rest.rstrip('/')}")

    def __str__(self) -> str:
        if self.scheme == "sftp":
            host, slash, path = self._rest.partition("/")
            return f"sftp://{host.rpartition('@')[2]}{slash}{path}"
        return self.url

    __repr__ = __str__

    def __truediv__(self, below: str | PurePath) -> Address:
        path = below.as_posix() if isinstance(below, PurePath) else below
        return Address(f"{self.url}/{path}") if path not in ("", ".") else self

    @property
    def scheme(self) -> str:
        """What comes before ://, in its usual form."""
        return self.url.partition("://")[0]

    @property
    def container(self) -> Address:
        """The bucket, container or host."""
        return Address(f"{self.scheme}://{self._rest.partition('/')[0]}")

    @property
    def key(self) -> str:
        """The path within the container; empty for all of it."""
        return self._rest.partition("/")[2]

    @property
    def parent(self) -> Address:
        """The folder of the object."""
        return Address(self.url.rpartition("/")[0]) if self.key else self

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.key).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.key).stem

    @property
    def suffix(self) -> str:
        """The suffix of the name, with its dot."""
        return PurePosixPath(self.key).suffix

    def is_dir(self) -> bool:
        """False: stores have no folders."""
        return False

    @property
    def _rest(self) -> str:
        return self.url.partition("://")[2]


Place = Path | Address
"""Where an output goes."""


def is_address(text: str) -> bool:
    """Whether a text is the address of a store."""
    scheme, separator, rest = text.partition("://")
    return bool(separator and rest.strip("/")) and scheme.lower() in SCHEMES


def place(text: str) -> Place:
    """The place that a text names."""
    return Address.parse(text) if is_address(text) else Path(text)
