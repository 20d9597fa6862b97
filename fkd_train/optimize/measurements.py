"""Measures candidates of a landmark network: accuracy, difference from the network, and speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from fkd_infer.choices import MIN_PRESENCE
from fkd_infer.errors import NonFiniteOutputError
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import time_interleaved
from fkd_infer.tuning.session_worker import session_contender
from fkd_infer.types import Prediction
from fkd_train.evaluation.predict import Predict, predict_all
from fkd_train.evaluation.presence import crops_beside
from fkd_train.export.cards import with_card
from fkd_train.export.sources.source import ExportData, LandmarkSource
from fkd_train.export.verify import Verification, VerificationFaces, verification_faces, verify
from fkd_train.optimize.candidates import Candidate
from fkd_train.optimize.verdict import BLOCK_SECONDS, TIMED_BLOCKS, Speed, speed_of


@dataclass(frozen=True)
class MeasuredCandidate:
    """A candidate's card, file, and results on the evaluation faces.

    `score_flips` is the share of crops, of faces and beside them, on whose presence its score and
    the network's disagree.
    """

    candidate: Candidate
    card: ModelCard
    path: Path
    nme: float
    verification: Verification
    score_flips: float | None


@dataclass(frozen=True)
class _Expected:
    """What the network itself answers on the evaluation faces, and its scores on crops (n, S, S, C)
    of faces and beside them."""

    faces: VerificationFaces
    prediction: Prediction
    scored: Pixels
    scores: Floats | None

    @classmethod
    def of(cls, source: LandmarkSource, data: ExportData) -> _Expected:
        """The answers of a network."""
        faces = verification_faces(data.faces, source.sampler, len(data.faces))
        scored = np.stack([*faces.crops, *crops_beside(data.faces, source.sampler)])
        predicted = predict_all(source.predict, scored)
        return cls(faces, predicted.first(len(faces.crops)), scored, predicted.scores)

    def score_flips(self, predict: Predict) -> float | None:
        """The share of crops on whose presence another network disagrees; None without a score."""
        scores = predict_all(predict, self.scored).scores
        if self.scores is None or scores is None:
            return None
        return float(np.mean((self.scores >= MIN_PRESENCE) != (scores >= MIN_PRESENCE)))


def measure_all(
    candidates: Sequence[Candidate], source: LandmarkSource, data: ExportData, folder: Path
) -> list[MeasuredCandidate]:
    """Writes candidates into the folder and measures them on the evaluation faces."""
    expected = _Expected.of(source, data)
    return [_measure(candidate, source, data, expected, folder) for candidate in candidates]


def _measure(
    candidate: Candidate,
    source: LandmarkSource,
    data: ExportData,
    expected: _Expected,
    folder: Path,
) -> MeasuredCandidate:
    path = folder / f"{candidate.name}.onnx"
    card = replace(source.card, precision=candidate.precision, platform=candidate.platform)
    onnx.checker.check_model(candidate.model, full_check=False)
    onnx.save(with_card(candidate.model, card), path)
    predict = LandmarkSession(path, "cpu").run
    verification = verify(lambda _: expected.prediction, predict, expected.faces)
    evaluation = source.evaluate(predict, data)
    if not np.isfinite(evaluation.points).all():
        raise NonFiniteOutputError(f"{card.name} as {candidate.name}")
    card = replace(
        card,
        accuracy=card.accuracy | data.accuracies(evaluation),
        parity=verification.parity,
    )
    onnx.save(with_card(candidate.model, card), path)
    flips = expected.score_flips(predict)
    return MeasuredCandidate(candidate, card, path, evaluation.accuracy.nme, verification, flips)


def measure_speeds(
    candidates: Sequence[MeasuredCandidate], fp32: MeasuredCandidate
) -> dict[Path, Speed]:
    """Times calls with one crop in interleaved processes; returns speeds by the candidates' paths.

    Each provider's candidates are timed together with fp32 on that provider.
    """
    settings = SessionSettings.single_calls()
    speeds: dict[Path, Speed] = {}
    for provider in dict.fromkeys(each.candidate.provider for each in candidates):
        group = [each.path for each in candidates if each.candidate.provider == provider]
        timed = dict.fromkeys([fp32.path, *group])
        contenders = [
            session_contender(str(path), path, settings, provider=provider) for path in timed
        ]
        times = time_interleaved(contenders, TIMED_BLOCKS, BLOCK_SECONDS)
        for path in group:
            speeds[path] = speed_of(times[str(path)], times[str(fp32.path)])
    return speeds
