"""fkd-infer --ray: what is refused before work, and what the actors of the cluster are told."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.cli.folder_notes import LeftOut
from fkd_infer.cli.options.drawing import DrawingOptions
from fkd_infer.cli.options.faces import FaceOptions
from fkd_infer.cli.options.networks import ProviderOptions
from fkd_infer.cli.resume import run_settings
from fkd_infer.detection.registry import find_detector
from fkd_infer.errors import ClusterError, InvalidModelError, SettingsError
from fkd_infer.jobs.outputs import Outputs
from fkd_infer.limits import Limits
from fkd_infer.media.output_check import check_outputs, checked_sources
from fkd_infer.media.sources import Source, iter_sources
from fkd_infer.models.shipped import find_model, shipped_models
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.stores.address import Place

if TYPE_CHECKING:
    from fkd_infer.drawing.overlay import Overlay
    from fkd_infer.jobs.face_finder import FaceFinder
    from fkd_infer.jobs.summary import Summary
    from fkd_infer.media.video.encoding import Encoding
    from fkd_infer.types import FrameRange, ReadSettings

_SHARED = "run in a folder that all nodes share"
_MODEL, _DETECTOR_MODEL, _FILTER = "model", "detector", "filter"


@dataclass(frozen=True)
class ClusterNetworks:
    """Opens the networks and the overlay of a run on any machine of a cluster."""

    faces: FaceOptions
    drawing: DrawingOptions
    providers: ProviderOptions

    def own_files(self) -> Iterator[tuple[str, Path]]:
        """Files and folders that the options name; what comes with fkd is on every machine."""
        if self.faces.model not in shipped_models():
            yield _MODEL, find_model(self.faces.model)
        if self.faces.detector_model is not None:
            yield _DETECTOR_MODEL, find_model(self.faces.detector_model, detectors=True)
        for number, name in enumerate(self.drawing.filters):
            path = Path(name)
            if path.exists():
                yield f"{_FILTER}{number}", path if path.is_dir() else path.parent

    def __call__(self, files: Mapping[str, Path]) -> tuple[FaceFinder, Overlay]:
        """The finder and the overlay, with those files at these paths."""
        model = str(files.get(_MODEL, self.faces.model))
        detector_model = files.get(_DETECTOR_MODEL, self.faces.detector_model)
        # An actor has one core, as a worker of a run on one machine has its share.
        threads = self.faces.threads or 1
        faces = replace(self.faces, model=model, detector_model=detector_model, threads=threads)
        names = [
            str(files.get(f"{_FILTER}{number}", name))
            for number, name in enumerate(self.drawing.filters)
        ]
        pipeline = faces.pipeline([], 1, self.providers)
        drawing = replace(self.drawing, filters=tuple(names))
        return faces.finder(pipeline, []), drawing.overlay(pipeline)


@dataclass(frozen=True)
class SourceList:
    """Lists the sources of arguments, which are relative to `here`, on any machine of a cluster."""

    here: Path
    arguments: Sequence[str]
    out: Place | None
    limits: Limits
    left_out: LeftOut

    def __call__(self) -> Iterator[Source]:
        """The sources, as they are found, by the names that they have here."""
        try:
            os.chdir(self.here)
        except OSError as error:
            node = f"node {platform.node()}"
            raise ClusterError(node, f"it has no folder {self.here}", _SHARED) from error
        found = iter_sources(self.arguments, self.out, self.left_out, self.limits)
        for source in checked_sources((), found, self.out):
            yield replace(source, path=source.path and source.path.absolute())

    def note(self) -> str:
        """A line about files that are no sources; empty if there are none."""
        return str(self.left_out)


def check_ray_options(
    address: str,
    sources: Sequence[str],
    outputs: Outputs,
    faces: FaceOptions,
    profile: Path | None,
) -> None:
    """Raises UsageError for what a run on a cluster cannot do."""
    if address not in ("auto", "local") and not address.startswith("ray://"):
        raise click.UsageError(f"--ray {address!r} is not auto, local or ray://HOST:PORT")
    tables = [record for record in outputs.records if record.is_folder]
    others = [f"--{record.format.name}" for record in outputs.records if not record.is_folder]
    if len(tables) != 1:
        raise click.UsageError("--ray needs --parquet DIR, a folder that all nodes can write to")
    given = {
        **dict.fromkeys(others, True),
        "--sheet": outputs.sheet,
        "--show": outputs.show,
        "--boxes": faces.boxes,
        "--profile": profile,
    }
    for name, value in given.items():
        if value:
            why = "is written by one machine" if name in others else "is for one machine"
            raise click.UsageError(f"{name} {why}; leave it out, or run without --ray")
    for argument in sources:
        if not Path(argument).exists() and not _is_shared(argument):
            raise click.UsageError(
                f"{argument!r} cannot be read by several machines; --ray takes files, folders, "
                "globs and addresses of stores"
            )


def _is_shared(argument: str) -> bool:
    """Whether other machines could read a source: no camera, stream or standard input."""
    from fkd_infer.media.incoming import STDIN
    from fkd_infer.media.video.network_stream import is_stream

    return not (argument == STDIN or argument.isdigit() or is_stream(argument))


def run_on_cluster(
    context: click.Context,
    address: str,
    sources: Sequence[str],
    outputs: Outputs,
    faces: FaceOptions,
    drawing: DrawingOptions,
    providers: ProviderOptions,
    frame_range: FrameRange,
    reading: ReadSettings,
    encoding: Encoding,
    limits: Limits,
    workers: int | None,
    quiet: bool,
) -> Summary:
    """Runs on a cluster; what is wrong with files that options name is told before it is used."""
    from fkd_infer.ray import segments
    from fkd_infer.ray.run import Listing, RayRun, run_on_ray
    from fkd_infer.ray.shipping import ShippedFile
    from fkd_infer.ray.work import Work

    networks = ClusterNetworks(faces, drawing, providers)
    model = find_model(faces.model)
    _check_networks(networks, model)
    source_list = SourceList(Path.cwd(), sources, outputs.folder, limits, LeftOut())
    next(replace(source_list, left_out=LeftOut())(), None)  # raises for what is not there
    assert outputs.failures is not None
    check_outputs((), outputs.folder, [*outputs.files, outputs.failures], outputs.folders)
    (table,) = (record.path for record in outputs.records)
    detector_model = faces.detector_model or find_detector(faces.detector).default_model
    where = {"--extras": sorted(outputs.extras), "--out": str(outputs.folder)}
    work = Work(
        networks,
        {name: ShippedFile.read(path) for name, path in networks.own_files()},
        _absolute(table),
        outputs.folder and _absolute(outputs.folder),
        {**run_settings(context, model, detector_model), **where},
        segments.SEGMENT_S,
        outputs.extras,
        frame_range,
        encoding,
        reading,
        limits,
        faces.smooth == "offline",
    )
    job = RayRun(
        address,
        Listing(source_list, source_list.note),
        work,
        outputs.failures,
        workers,
        providers.provider.name != CPU.name,
    )
    return run_on_ray(job, quiet, lambda line: click.echo(line, err=True))


def _absolute(place: Place) -> Place:
    """The same place for processes in other folders."""
    return place.absolute() if isinstance(place, Path) else place


def _check_networks(networks: ClusterNetworks, model: Path) -> None:
    """Raises what the files of networks and filters would raise on every machine."""
    from tempfile import TemporaryDirectory

    from fkd_infer.filters.filter import load_filters
    from fkd_infer.models.cards.landmark import ModelCard
    from fkd_infer.models.check import check_model

    card = ModelCard.from_metadata(check_model(model).metadata, model)
    if networks.drawing.filters:
        load_filters(networks.drawing.filters, card.landmarks)
    for name, path in networks.own_files():
        if name in (_MODEL, _DETECTOR_MODEL):
            with TemporaryDirectory() as folder:
                copy = Path(folder, path.name)
                copy.write_bytes(path.read_bytes())
                try:
                    check_model(copy)
                except InvalidModelError as error:
                    check_model(path)  # raises if the file itself is broken
                    problem = "has weights in other files, which are not sent to workers"
                    raise SettingsError(path, problem, "save it as one file") from error
