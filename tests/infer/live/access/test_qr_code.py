"""QR codes in a terminal."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("segno", reason="needs the live extra: pip install 'fkd[live]'")

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.live.access.qr_code import terminal_qr_code

URL = "http://192.168.178.23:8765/?token=" + "x1-Y" * 8


def photographed(code: str) -> Pixels:
    """A picture of the characters in a terminal, of 8 pixels per module."""
    rows: list[list[int]] = []
    for line in code.splitlines():
        text = line.removeprefix("\x1b[30;107m").removesuffix("\x1b[0m")
        assert "\x1b" not in text
        rows.append([255 * (c not in "▀█") for c in text])
        rows.append([255 * (c not in "▄█") for c in text])
    return np.asarray(np.array(rows, np.uint8).repeat(8, axis=0).repeat(8, axis=1), np.uint8)


@pytest.mark.skipif(not hasattr(cv2, "QRCodeDetector"), reason="this OpenCV reads no QR codes")
def test_a_camera_reads_the_address() -> None:
    framed = cv2.copyMakeBorder(
        photographed(terminal_qr_code(URL)), 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=[255]
    )
    assert cv2.QRCodeDetector().detectAndDecode(framed)[0] == URL


def test_the_code_of_an_address_fits_into_a_terminal() -> None:
    lines = terminal_qr_code(URL).splitlines()
    assert len(lines) <= 22
    assert len(lines[0]) <= 80
