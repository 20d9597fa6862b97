"""The socket that the live page is served on."""

from __future__ import annotations

import errno
import os
import socket

from fkd_infer.errors import LiveError

_SEND_BUFFER = 256 * 1024
"""Bytes that the system buffers for a viewer: more would be old pictures."""
_OTHER_PORT = "give another --port, or --port 0 for any"
_NOT_HERE = "give an address of this machine as --host, or 0.0.0.0 for all of them"


def open_listener(host: str, port: int) -> socket.socket:
    """Returns a socket that listens; port 0 chooses a free port. Raises LiveError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unusable(host, port, error.strerror or str(error), _NOT_HERE) from error
    try:
        if os.name == "posix":  # elsewhere it would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        in_use = error.errno == errno.EADDRINUSE
        problem = "it is in use" if in_use else error.strerror or str(error)
        fix = _NOT_HERE if error.errno == errno.EADDRNOTAVAIL else _OTHER_PORT
        raise _unusable(host, port, problem, fix) from error
    return listener


def _unusable(host: str, port: int, problem: str, fix: str) -> LiveError:
    return LiveError(f"{host} port {port}", f"cannot be used: {problem}", fix)
