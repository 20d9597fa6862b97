"""A page for browsers as `make web` builds it, with few and small files."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

FILES = {
    "index.html": b"<!doctype html>",
    "assets/main-1a.js": b"start();",
    "assets/ort-2b.wasm": b"\0asm",
    "models/landmarks.onnx": b"a network",
    "models/detector.onnx": b"a detector",
    "service-worker.js": b"importScripts('precache.js');",
}
HEADERS = "/*\n  Content-Security-Policy: default-src 'none'\n  X-Content-Type-Options: nosniff\n"


def write_built_page(folder: Path) -> Path:
    """Writes the page to a folder, which is returned."""
    for path, content in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    digests = {path: sha256(content).hexdigest() for path, content in FILES.items()}
    table = {"files": digests, "later": ["assets/ort-2b.wasm"]}
    (folder / "precache.js").write_text(f"self.PRECACHE = {json.dumps(table)};\n")
    (folder / "_headers").write_text(HEADERS)
    return folder
