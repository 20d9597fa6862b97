"""The chunks of PNG and RIFF files, with their checksums and lengths."""

from __future__ import annotations

import zlib

PNG = b"\x89PNG\r\n\x1a\n"


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Writes a chunk of a PNG."""
    body = name + content
    return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def read_png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Reads the names and contents of a PNG's chunks."""
    chunks, at = [], len(PNG)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : end]))
        at = end + 4
    return chunks


def correct_png_checksums(data: bytes) -> bytes:
    """Corrects the checksums of a PNG; returns anything else unchanged."""
    if not data.startswith(PNG):
        return data
    parts, at = [PNG], len(PNG)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        parts.append(data[at:end] + zlib.crc32(data[at + 4 : end]).to_bytes(4, "big"))
        at = end + 4
    return b"".join([*parts, data[at:]])


def correct_riff_length(data: bytes) -> bytes:
    """Corrects the length in a RIFF file's head; returns anything else unchanged."""
    if not data.startswith(b"RIFF"):
        return data
    return data[:4] + max(0, len(data) - 8).to_bytes(4, "little") + data[8:]
