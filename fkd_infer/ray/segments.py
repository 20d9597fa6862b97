"""Segments of long videos, in actors of their own.

Ray Data's actors hold all cores of the cluster, and one of them waits for the segments of its
video. So those that process segments ask for no core, and there are as many as cores: whoever waits
for them, they can start, and no more than one segment for each core is in work.
"""

from __future__ import annotations

import pickle  # between processes of one run  # nosec B403
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from io import BytesIO
from queue import SimpleQueue
from threading import Event
from typing import Any, ParamSpec, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fkd_infer.drawing.overlay import Overlay
from fkd_infer.errors import FkdError, UnreadableVideoError
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.run import silent_readers
from fkd_infer.jobs.segments.tasks import SegmentJob
from fkd_infer.media.sources import Source
from fkd_infer.media.video.container import open_video
from fkd_infer.ray.work import Shipment
from fkd_infer.types import FrameRange

P = ParamSpec("P")
T = TypeVar("T")
SEGMENT_S = 60.0
"""Seconds of a segment. Each cut costs 2 to 3 s of tracking, so shorter ones would waste cores."""
_POLL_S = 0.5
_FINDER, _OVERLAY = "finder", "overlay"


def is_long(source: Source, frame_range: FrameRange, segment_s: float) -> bool:
    """Whether the selected part of a video file has two segments, as far as its header tells."""
    if source.kind != "video" or source.path is None or source.error is not None:
        return False
    try:
        with open_video(source.path) as video:
            duration, rate = video.duration, video.rate
    except UnreadableVideoError:  # told by who processes it
        return False
    if duration is None:
        return False
    end = duration if frame_range.end is None else min(duration, frame_range.end)
    if frame_range.max_frames is not None and rate:
        most = frame_range.max_frames * frame_range.stride / rate
        end = min(end, frame_range.start + most)
    return end - frame_range.start >= 2 * segment_s


@dataclass(frozen=True)
class SegmentWorkers:
    """The actors for segments: one for each core of the cluster, at most `limit`."""

    shipment: Shipment
    limit: int | None

    def start(self) -> list[Any]:
        """Starts them, and returns their handles, so that neighbours are on different nodes.

        An actor that is lost with its node starts again on another, and does its segment again.
        """
        cores = [
            (number, node["NodeID"])
            for node in ray.nodes()
            if node["Alive"]
            for number in range(int(node["Resources"].get("CPU", 0)))
        ]
        actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(SegmentWorker)
        return [
            actor.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True)
            ).remote(self.shipment)
            for _, node in sorted(cores)[: self.limit]
        ]


class SegmentWorker:
    """Runs steps of segments, one after the other, with its own networks.

    It starts even if it cannot work: each step then raises the reason.
    """

    def __init__(self, shipment: Shipment) -> None:
        self._copies = ExitStack()
        self._source: Source | None = None
        self._local: Source | None = None
        self._problem: FkdError | None = None
        try:
            _, self._finder, self._overlay = shipment.open()
        except FkdError as error:
            self._problem = error

    def run(self, call: bytes) -> bytes:
        """Calls a step of a job; returns its result, or the FkdError that it raised, and the
        seconds of its stages."""
        if self._problem is not None:
            return pickle.dumps((None, self._problem, {}))
        stopwatch = self._finder.pipeline.stopwatch
        before = dict(stopwatch.seconds)
        own = {_FINDER: self._finder, _OVERLAY: self._overlay}
        step, job, *others = _Unpickler(call, own).load()
        try:
            with silent_readers():
                value, error = step(self._with_copy(job), *others), None
        except FkdError as raised:
            value, error = None, raised
        return pickle.dumps((value, error, stopwatch.since(before)))

    def _with_copy(self, job: SegmentJob) -> SegmentJob:
        """The same job, with a copy of its video that is kept until there is one of another."""
        if self._local is None or self._source != job.source:
            self._copies.close()
            self._local = None
            self._local = self._copies.enter_context(job.here()).source
            self._source = job.source
        return replace(job, source=self._local)


class SegmentExecutor(ThreadPoolExecutor):
    """Runs steps of jobs in segment workers, one at a time in each, until it is closed.

    The finder and the overlay of a job are not sent: each worker has its own.
    """

    def __init__(self, workers: Sequence[Any], finder: FaceFinder, overlay: Overlay) -> None:
        super().__init__(len(workers), "segment")
        self._own = {_FINDER: finder, _OVERLAY: overlay}
        self._stopwatch = finder.pipeline.stopwatch
        self._closed = Event()
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for worker in workers:
            self._idle.put(worker)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs a step with these arguments, of which the first is the job."""
        assert not kwargs
        return super().submit(self._run, fn, args)

    def close(self) -> None:
        """Ends without the results that are still to come."""
        self._closed.set()
        self.shutdown(cancel_futures=True)

    def _run(self, step: Callable[..., T], arguments: tuple[object, ...]) -> T:
        call = BytesIO()
        _Pickler(call, self._own).dump((step, *arguments))
        worker = self._idle.get()
        try:
            result = worker.run.remote(call.getvalue())
            while not ray.wait([result], timeout=_POLL_S)[0]:
                if self._closed.is_set():
                    raise CancelledError
            value: T
            value, error, stages = pickle.loads(ray.get(result))  # nosec B301: of our own workers
        finally:
            self._idle.put(worker)
        self._stopwatch.include(stages)
        if error is not None:
            raise error
        return value


class _Pickler(pickle.Pickler):
    def __init__(self, file: BytesIO, own: Mapping[str, object]) -> None:
        super().__init__(file)
        self._names = {id(value): name for name, value in own.items()}

    def persistent_id(self, obj: object) -> str | None:
        return self._names.get(id(obj))


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, own: Mapping[str, object]) -> None:
        super().__init__(BytesIO(data))
        self._own = own

    def persistent_load(self, pid: str) -> object:
        return self._own[pid]
