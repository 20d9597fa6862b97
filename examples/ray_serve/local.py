"""Serves faces.py from this machine alone, without Ray's dashboard: `python local.py --port 8000`.

Its cluster is private to it and ends with it.
"""

from __future__ import annotations

import argparse
import signal
import socket
import threading

import ray
from faces import Settings, app
from ray import serve


def main() -> None:
    """Starts Ray and the application, prints its address, and waits for a signal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--threads", type=int, default=1, help="threads of a replica")
    parser.add_argument("--replicas", type=int, default=1)
    options = parser.parse_args()
    # Ray shares a port that another server has, and requests would go to either of them.
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", options.port)) == 0:
            parser.error(f"port {options.port} is in use; choose another one with --port")
    settings = Settings(threads=options.threads, replicas=options.replicas)
    stopped = threading.Event()
    # A replica reserves as many CPUs as it has threads, however many cores the machine has.
    cpus = options.threads * options.replicas
    ray.init("local", num_cpus=cpus, include_dashboard=False, object_store_memory=100 << 20)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        serve.start(http_options={"host": "127.0.0.1", "port": options.port})
        serve.run(app(settings))
        print(f"ready: http://127.0.0.1:{options.port}/", flush=True)
        stopped.wait()
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
