"""What processes of the cluster need to know of a run, and how each opens its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import ray

from fkd_infer.choices import Extra
from fkd_infer.drawing.overlay import Overlay
from fkd_infer.errors import ClusterError, FkdError
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.limits import Limits
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.ray.cluster import installed_versions, version_problem
from fkd_infer.ray.shipping import ShippedFile
from fkd_infer.stores.address import Place
from fkd_infer.types import FrameRange, ReadSettings


class Networks(Protocol):
    """Opens the networks and what is drawn, on any machine."""

    def __call__(self, files: Mapping[str, Path]) -> tuple[FaceFinder, Overlay]:
        """The finder and the overlay, with the shipped files at these paths."""
        ...


@dataclass(frozen=True)
class Work:
    """How faces are found, and where results go.

    `settings` are kept in each part, for runs that continue this one. A video of at least two
    segments of `segment_s` seconds is processed in segments.
    """

    networks: Networks
    files: Mapping[str, ShippedFile]
    parts: Place
    folder: Place | None
    settings: Mapping[str, object]
    segment_s: float
    extras: frozenset[Extra] = frozenset()
    frame_range: FrameRange = field(default_factory=FrameRange)
    encoding: Encoding = field(default_factory=Encoding)
    reading: ReadSettings = field(default_factory=ReadSettings)
    limits: Limits = field(default_factory=Limits)
    offline: bool = False


@dataclass(frozen=True)
class Shipment:
    """A reference to a run's Work in Ray's object store, and the driver's versions."""

    work: Any
    versions: Mapping[str, str]

    @classmethod
    def of(cls, work: Work) -> Shipment:
        """Puts the work into the object store."""
        return cls(ray.put(work), installed_versions())

    def open(self) -> tuple[Work, FaceFinder, Overlay]:
        """The work, and its networks and overlay in this process.

        Raises ClusterError if this machine has other versions, and what opening raises, with the
        name of the node.
        """
        node = f"node {ray.util.get_node_ip_address()}"
        problem = version_problem(node, self.versions, installed_versions())
        if problem:
            raise ClusterError("", problem, "install the same packages on all nodes")
        try:
            work: Work = ray.get(self.work)
            files = {name: file.write() for name, file in work.files.items()}
            return work, *work.networks(files)
        except FkdError as error:
            raise error.about(f"{node}: {error.subject}") from error
