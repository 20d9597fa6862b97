"""Exports landmark networks to ONNX, verified against the network itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.data.dataset import DataFolders
from fkd_train.errors import NetworkError, VerificationError
from fkd_train.export.cards import with_card
from fkd_train.export.half import save_half
from fkd_train.export.sources.checkpoint import CheckpointSource, load_checkpoint_source
from fkd_train.export.sources.source import LandmarkSource
from fkd_train.export.torch_to_onnx import DEFAULT_GRAPH, GraphSettings
from fkd_train.export.verify import Verification, verification_faces, verify_model
from fkd_train.graphs.opset import with_opset
from fkd_train.graphs.passes import EXACT_PASSES, Pass, apply_passes

FP32_BUDGET_PX = 0.01
FP32_BUDGET_SCORE = 1e-4


@dataclass(frozen=True)
class ExportedLandmarks:
    """A written file, its card, and its verification."""

    path: Path
    card: ModelCard
    verification: Verification

    def lines(self) -> list[str]:
        """Formats a summary for people."""
        size, card = self.path.stat().st_size / 1e6, self.card
        lines = [
            f"{self.path}: {size:.1f} MB, {card.precision}, opset {card.opset}",
            f"verified: {self.verification.report()}",
        ]
        for protocol, accuracy in card.accuracy.items():
            lines.append(f"{protocol}: NME {accuracy.nme:.2f} % on {accuracy.count} faces")
        return lines


def export_landmarks(
    checkpoint: Path,
    out: Path,
    data: DataFolders | None = None,
    half: Path | None = None,
    settings: GraphSettings = DEFAULT_GRAPH,
) -> ExportedLandmarks:
    """Writes the network of a checkpoint as ONNX; see `write_landmarks`.

    With a data set, the card also has the accuracy on the recipe's evaluation faces, in the crops
    that the runtime cuts. With `half`, the weights are first rounded to half precision, and also
    written to that checkpoint.
    """
    return write_landmarks(
        load_checkpoint_source(checkpoint, data, half is not None, settings), out, half
    )


def write_landmarks(
    source: LandmarkSource, out: Path, half: Path | None = None
) -> ExportedLandmarks:
    """Writes a network as ONNX, verified on the data set's or drawn faces.

    With `half`, its checkpoint, whose weights are rounded to half precision, is written to that
    file too. Raises VerificationError, and writes nothing, if a point differs by more than 0.01 px
    or a score by more than 0.0001.
    """
    model, verification = fp32_model(source, out)
    card = replace(source.card, parity=verification.parity)
    with atomic_write(out) as partial, output_errors(out):
        onnx.save(with_card(model, card), partial)
        if half is not None:
            assert isinstance(source, CheckpointSource)
            save_half(half, source.network, source.content)
    return ExportedLandmarks(out, card, verification)


def fp32_model(source: LandmarkSource, out: Path) -> tuple[onnx.ModelProto, Verification]:
    """Exports and simplifies the graph, with its card, and compares it with the network.

    The graph is compared after the export and after each pass. Raises VerificationError.
    """
    faces = verification_faces(None if source.data is None else source.data.faces, source.sampler)
    model = with_card(source.build_graph(), source.card)

    def check(candidate: onnx.ModelProto) -> str | None:
        verification = verify_model(source.predict, candidate, source.card, faces)
        passes = verification.passes(FP32_BUDGET_PX, FP32_BUDGET_SCORE)
        return None if passes else _over_budget(verification)

    if problem := check(model):
        raise VerificationError.of_difference(out, problem)
    model = apply_passes(model, EXACT_PASSES, check, required=source.is_own)
    try:
        converted = Pass("convert the opset", lambda m: with_opset(m, source.card.opset))
        model = apply_passes(model, [converted], check)
    except NetworkError as error:
        raise error.about(source.card.name) from error
    return model, verify_model(source.predict, model, source.card, faces)


def _over_budget(verification: Verification) -> str:
    budget = f"{FP32_BUDGET_PX} px and a score's {FP32_BUDGET_SCORE}"
    return f"{verification.report()}; the budget is {budget}"
