"""QR codes in a terminal, so that a phone need not type an address."""

from __future__ import annotations

_BORDER = 2
"""Light modules around the code."""
_BLACK_ON_WHITE, _RESET = "\x1b[30;107m", "\x1b[0m"
_BLOCKS = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
"""Characters for two modules, one below the other; 1 is dark."""


def terminal_qr_code(text: str) -> str:
    """The QR code of a text in lines of block characters, black on white in every terminal."""
    import segno

    code = segno.make_qr(text, error="l")
    rows = [[int(module > 0) for module in row] for row in code.matrix_iter(border=_BORDER)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    lines = (
        "".join(_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )
    return "\n".join(f"{_BLACK_ON_WHITE}{line}{_RESET}" for line in lines)
