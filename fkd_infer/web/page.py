"""The built page of `web/`: its files, with networks of one's own in it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from fkd_infer.errors import OutputError, WebPageError
from fkd_infer.loading import load
from fkd_infer.system.files.atomic import output_errors

BUILT = Path(__file__).parents[2] / "dist" / "web"
"""Where `make web` writes it, in the repository that this package is in."""
MODEL = "models/landmarks.onnx"
"""The landmark network's path in the page, which `web/vite/site.ts` decides."""
_LIST, _HEADERS = "precache.js", "_headers"
_START, _END = "self.PRECACHE = ", ";\n"
_FIX = (
    "run `make web` in fkd's repository, or unpack fkd-web-VERSION.zip of a release, "
    "and name that folder as the page"
)


@dataclass(frozen=True)
class WebPage:
    """The files of a built page; `replaced` has the contents of those that are others now."""

    folder: Path
    digests: Mapping[str, str]
    """The SHA-256 of each file that browsers load, by its path."""
    later: tuple[str, ...]
    """Files that the page stores only once they were used."""
    headers: Mapping[str, str]
    """What every answer should have."""
    replaced: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path | None = None) -> WebPage:
        """Reads what is in a folder, or in the one of `make web`; raises WebPageError."""
        place = folder or BUILT
        if not place.is_dir():
            raise WebPageError(place, "the page for browsers is not there", _FIX)
        try:
            text = (place / _LIST).read_text(encoding="utf-8")
            table = json.loads(text.removeprefix(_START).removesuffix(_END))
            digests, later = dict(table["files"]), tuple(table["later"])
            headers = dict(_header_rows((place / _HEADERS).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WebPageError(place, f"it is no built page of fkd: {error}", _FIX) from error
        for path in digests:
            parts = PurePosixPath(path).parts
            if ".." in parts or path.startswith("/") or not (place / path).is_file():
                raise WebPageError(place, f"its file {path} is missing", _FIX)
        return cls(place, digests, later, headers)

    def with_model(self, model: Path) -> WebPage:
        """The page with another landmark network; raises what `load` raises for its file."""
        load(model, provider="cpu", tuned=False)  # with the shipped detector, as the page does
        content = model.read_bytes()
        digests = {**self.digests, MODEL: hashlib.sha256(content).hexdigest()}
        return replace(self, digests=digests, replaced={**self.replaced, MODEL: content})

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all files that browsers load."""
        return (*self.digests, _LIST)

    def read(self, path: str) -> bytes:
        """The content of one of `paths`; raises KeyError for others."""
        if path == _LIST:
            table = {"files": self.digests, "later": self.later}
            return f"{_START}{json.dumps(table, indent=1)}{_END}".encode()
        if path in self.replaced:
            return self.replaced[path]
        if path not in self.digests:
            raise KeyError(path)
        return (self.folder / path).read_bytes()

    def write(self, folder: Path) -> None:
        """Writes the page to a folder, which must be empty or new; it appears as a whole.

        Raises OutputError.
        """
        with output_errors(folder):
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise OutputError(folder, "it is there already", "name a new or empty folder")
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                for path in self.paths:
                    (partial / path).parent.mkdir(parents=True, exist_ok=True)
                    (partial / path).write_bytes(self.read(path))
                shutil.copyfile(self.folder / _HEADERS, partial / _HEADERS)
                partial.chmod(0o755)  # mkdtemp gives it to its owner alone
                if folder.exists():
                    folder.rmdir()  # an empty one, which Windows cannot replace
                partial.replace(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)


def _header_rows(text: str) -> Iterator[tuple[str, str]]:
    """Names and values of the headers in a `_headers` file, whose first line is a path."""
    for line in text.splitlines()[1:]:
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()
