"""What has to be the same in all processes of a run, checked before it trains."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from socket import gethostname

import cv2
import numpy as np
import torch

from fkd_infer import __version__
from fkd_infer.system.files.text_checks import short_repr
from fkd_train.data.fingerprint import Fingerprints, differences, digest
from fkd_train.distributed.peers import Peers
from fkd_train.errors import RunError

_SAME_VERSIONS = "install the same versions on every machine"


def require_same_versions(peers: Peers) -> None:
    """Raises RunError in all processes if one has other packages than the main process."""
    packages = {
        "fkd": __version__,
        "torch": torch.__version__,
        "accelerate": version("accelerate"),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }
    require_same(peers, packages, _SAME_VERSIONS)


def require_same(peers: Peers, values: Mapping[str, object], fix: str) -> None:
    """Raises RunError in all processes if one has other values than the main process."""
    (main_host, main), *others = peers.gather((gethostname(), dict(values)))
    for rank, (host, own) in enumerate(others, start=1):
        unlike = [key for key in {**main, **own} if own.get(key) != main.get(key)]
        if unlike:
            listed = ", ".join(
                f"{key} {short_repr(own.get(key))} and not {short_repr(main.get(key))}"
                for key in unlike[:4]
            )
            problem = f"process {rank} on {host} has {listed}, unlike process 0 on {main_host}"
            raise RunError(peers.run, problem, fix)


def require_same_data(peers: Peers, data: Fingerprints) -> None:
    """Raises RunError in all processes if one has read other faces than the main process."""
    if len(set(peers.gather(digest(data)))) == 1:
        return
    main = peers.on_main(lambda: data)
    (main_host, _), *others = peers.gather((gethostname(), differences(main, data)))
    for rank, (host, changes) in enumerate(others, start=1):
        if changes:
            problem = (
                f"process {rank} on {host} reads other data than process 0 on {main_host}: "
                f"{'; '.join(changes)}"
            )
            raise RunError(peers.run, problem, "give every machine the same files as --data")
