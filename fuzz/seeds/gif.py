"""Encodes GIF byte by byte."""

from __future__ import annotations

import struct


def encode_gif(frames: int) -> bytes:
    """Encodes frames of 4 × 4 pixels in 4 colours, with codes of constant width."""
    colours = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 255, 255, 255])
    encoded = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x91, 0, 0) + colours
    encoded += b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", 3) + b"\0"
    for frame in range(frames):
        encoded += b"\x21\xf9\x04" + struct.pack("<BHB", 4, 5 + frame, 0) + b"\0"
        encoded += b"\x2c" + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\x02"
        codes = [4]
        for pixel in range(16):
            codes += [(pixel + frame) % 4, *([4] if pixel % 2 else [])]  # cleared before codes grow
        bits = "".join(f"{code:03b}"[::-1] for code in [*codes, 5])
        bits += "0" * (-len(bits) % 8)
        block = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
        encoded += bytes([len(block)]) + block + b"\0"
    return encoded + b"\x3b"
