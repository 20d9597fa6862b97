"""What an actor does: the sources of a block become pictures, and rows of one part."""

from __future__ import annotations

import pickle  # between processes of one run  # nosec B403
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zlib import crc32

import ray

from fkd_infer.errors import ClusterError, FkdError
from fkd_infer.formats.parquet import ParquetSink
from fkd_infer.jobs.failures import Failure
from fkd_infer.jobs.photos import PhotoProcessor
from fkd_infer.jobs.run import silent_readers
from fkd_infer.jobs.segments.process import SegmentedVideoProcessor
from fkd_infer.jobs.videos import VideoProcessor
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.media.sources import Source, local_copy
from fkd_infer.ray.blocks import BLOCK_COLUMN, Block
from fkd_infer.ray.control import Stopping
from fkd_infer.ray.parts import COMPLETED_KEY
from fkd_infer.ray.segments import SegmentExecutor, is_long
from fkd_infer.ray.work import Shipment, Work
from fkd_infer.stores.address import Place
from fkd_infer.stores.output import local_output
from fkd_infer.system.scoped import Scoped
from fkd_infer.types import Face, Frame

RESULT_COLUMN = "result"


@dataclass
class BlockResult:
    """What became of a block, for the driver; `fatal` is an error that ends the run.

    `node` is the address of the machine, and `runs_on` the provider that proved itself there.
    `begun` counts the sources that the block had, and `is_last` says that no other follows.
    """

    node: str
    runs_on: str = ""
    begun: int = 0
    is_last: bool = False
    frames: int = 0
    faces: int = 0
    reached: list[str] = field(default_factory=list)
    suffixes: Counter[tuple[str, str]] = field(default_factory=Counter)
    pictures: list[Place] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    fatal: FkdError | None = None


class Worker:
    """Processes blocks, one after the other, with its own pipeline.

    It starts even if it cannot work: the reason is the result of its first block.
    """

    def __init__(self, shipment: Shipment, control: Any) -> None:
        self.node = ray.util.get_node_ip_address()
        self._control = control
        self._stopping = Stopping(control)
        self._problem: FkdError | None = None
        try:
            self.work, self._finder, self._overlay = shipment.open()
        except FkdError as error:
            self._problem = error

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[bytes]]:
        """The result of each block of a batch."""
        found = (pickle.loads(data) for data in batch[BLOCK_COLUMN])  # nosec B301: the driver's own
        return {RESULT_COLUMN: [pickle.dumps(self.process(block)) for block in found]}

    def process(self, block: Block) -> BlockResult:
        """Processes a block, and writes its part if any of its sources gave rows."""
        if self._problem is not None:
            return BlockResult(self.node, fatal=self._problem)
        pipeline = self._finder.pipeline
        before = dict(pipeline.stopwatch.seconds)
        part = _Part(self.work, pipeline.card.landmarks, block, self.node, self._stopping)
        result = part.result
        try:
            with silent_readers(), part:
                if block.sources and block.sources[0].kind == "image":
                    self._photos(block, part)
                elif block.sources:
                    self._video(block.sources[0], part)
        except FkdError as error:
            result.fatal = error
        result.begun, result.is_last = len(block.sources), block.is_last
        if block.note:
            result.notes.append(block.note)
        result.runs_on = pipeline.session.started.on
        result.stages = pipeline.stopwatch.since(before)
        return result

    def _photos(self, block: Block, part: _Part) -> None:
        work = self.work
        processor = PhotoProcessor(
            self._finder,
            self._overlay,
            work.folder,
            drawn=False,
            stopping=self._stopping,
            limits=work.limits,
            encoding=work.encoding,
            opencv_threads=1,
        )
        with closing(processor.photos(block.sources, 1)) as photos:
            for photo in photos:
                if photo.failure is not None:
                    part.fail(photo.source, photo.failure)
                elif photo.frame is not None:
                    part.write(photo.frame, photo.faces)
                    part.complete(photo.source, processor.picture(photo.source))

    def _video(self, source: Source, part: _Part) -> None:
        work = self.work
        processor = VideoProcessor(
            self._finder,
            self._overlay,
            work.folder,
            work.folder is not None,
            work.frame_range,
            work.encoding,
            work.offline,
            self._stopping,
            work.limits,
            work.reading,
        )
        notes = part.result.notes
        try:
            done = self._process_video(
                processor, source, part.write, lambda text: notes.append(f"{source.name}: {text}")
            )
        except Exception as error:  # noqa: BLE001 (in the list of failures)
            part.fail(source, error)
        else:
            if done:
                part.complete(source, processor.picture(source))

    def _process_video(
        self,
        whole: VideoProcessor,
        source: Source,
        record: Callable[[Frame, Sequence[Face]], None],
        note: Callable[[str], None],
    ) -> bool:
        """Processes a video, in segments if it is long and the cluster has actors for them."""
        seconds = self.work.segment_s
        with local_copy(source) as copied:
            workers = []
            if is_long(copied, whole.frame_range, seconds):
                workers = ray.get(self._control.segment_workers.remote())
            if len(workers) < 2:
                return whole(copied, record, note)
            first = crc32(source.name.encode("utf-8", "surrogatepass")) % len(workers)
            workers = workers[first:] + workers[:first]
            with closing(SegmentExecutor(workers, self._finder, self._overlay)) as executor:
                processor = SegmentedVideoProcessor(whole, executor, seconds)
                return processor(copied, record, note)


class _Part(Scoped):
    """The part of a block, which appears at the end of a `with` block if it has rows.

    Rows of a video that failed or was stopped stay, as in records of other formats, but do not make
    it complete. Nothing is written for a driver that is gone: another one may be at work.
    """

    def __init__(
        self, work: Work, scheme: LandmarkScheme, block: Block, node: str, stopping: Stopping
    ) -> None:
        self.result = BlockResult(node)
        self._place = work.parts / block.part
        about = {"settings": dict(work.settings)}
        self._open = partial(ParquetSink, scheme=scheme, extras=work.extras, metadata=about)
        self._stopping = stopping
        self._sink: ParquetSink | None = None
        self._completed: list[str] = []

    def _scope(self) -> Iterator[None]:
        with ExitStack() as self._stack:
            yield
            if self._sink is not None:
                self._sink.describe(COMPLETED_KEY, self._completed)
                if not self._stopping.driver_lives():
                    raise ClusterError("", "the driver of this run is gone")

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Adds the rows of a frame."""
        if self._sink is None:
            path = self._stack.enter_context(local_output(self._place)).path
            self._sink = self._stack.enter_context(self._open(path))
        self._sink.write(frame, faces)
        self.result.frames += 1
        self.result.faces += len(faces)

    def complete(self, source: Source, picture: Place | None) -> None:
        """Notes that all of a source is done."""
        self._completed.append(source.name)
        self.result.reached.append(source.name)
        self.result.suffixes[source.suffixes] += 1
        if picture is not None:
            self.result.pictures.append(picture)

    def fail(self, source: Source, error: Exception) -> None:
        """Notes that a source failed; raises an error after which no other can be processed."""
        if isinstance(error, FkdError) and error.ends_run:
            raise error
        self.result.reached.append(source.name)
        self.result.failures.append(Failure.of(source.name, error))
