"""A server of sftp, in a process of its own: python tests/sftp_server.py FOLDER KEYS HOST_KEY.

It prints its port, and accepts the public keys in the file KEYS, which it reads for each client.
"""

from __future__ import annotations

import asyncio
import sys


async def main(folder: str, keys: str, host_key: str) -> None:
    """Serves until the process is ended."""
    import asyncssh

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=keys,
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder.encode()),
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
