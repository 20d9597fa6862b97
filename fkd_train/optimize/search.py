"""From a checkpoint to a family of files: every candidate is measured, and one is kept only where
it is still right and measurably faster or smaller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from fkd_infer.choices import MIN_PRESENCE, Platform
from fkd_infer.errors import NonFiniteOutputError
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.registry import usable_providers
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.interleaved import paired_ratio, time_interleaved
from fkd_infer.tuning.session_worker import session_contender
from fkd_infer.types import Prediction
from fkd_train.choices import OptimizeGoal
from fkd_train.data.dataset import load_split
from fkd_train.data.faces import Faces
from fkd_train.errors import VerificationError
from fkd_train.evaluation.accuracy import evaluate, predict_all, torch_predict
from fkd_train.export.landmarks import (
    Source,
    fp32_model,
    load_source,
    measured,
    protocol,
    verification_faces,
    with_card,
)
from fkd_train.export.verify import Verification, VerificationFaces, verify
from fkd_train.optimize.candidates import Candidate, OptimizationContext, candidates

FASTER, SMALLER, AS_FAST = 1.03, 0.75, 0.97
"""Worth keeping is what is so many times as fast, or has at most this share of the bytes and is so
many times as fast."""
LARGEST_FLIPS = 0.005
"""Share of faces that may go from seen to unseen, or back, by the score."""
BLOCKS, SECONDS = 12, 0.25


@dataclass(frozen=True)
class CandidateResult:
    """A candidate after measurement.

    `nme` and its change against fp32 in percent of the interocular distance; the largest distance
    of a point to torch's in crop pixels; `score_flips`, the share of faces that the score takes for
    something else than torch's does. `p50_ms` is of calls with one crop; `ratio`, how many times as
    fast as fp32 that is, with a 95 % interval; None where it was not timed.
    """

    name: str
    file: str
    precision: str
    bytes: int
    nme: float
    nme_change: float
    largest_px: float
    score_flips: float | None
    p50_ms: float | None
    ratio: float | None
    ratio_interval: tuple[float, float] | None
    kept: bool
    verdict: str


@dataclass(frozen=True)
class OptimizationResult:
    """All candidates, fp32 first, and the folder with the files of those that were kept."""

    folder: Path
    faces: str
    max_nme_increase: float
    platform: Platform
    threads: int
    candidates: tuple[CandidateResult, ...]

    @property
    def files(self) -> list[Path]:
        """The files that were written."""
        return [self.folder / candidate.file for candidate in self.candidates if candidate.kept]


@dataclass(frozen=True)
class _Measured:
    """A candidate with its card, its file, and what was found on the evaluation faces."""

    candidate: Candidate
    card: ModelCard
    path: Path
    nme: float
    verification: Verification
    score_flips: float | None


@dataclass(frozen=True)
class Speed:
    """Of calls with one crop, beside fp32."""

    p50_ms: float
    ratio: float
    interval: tuple[float, float]


def optimize(
    checkpoint: Path,
    out: Path,
    data: Path,
    goal: OptimizeGoal = "auto",
    max_nme_increase: float = 0.1,
    platform: Platform = "any",
    tell: Callable[[str], None] = lambda _: None,
) -> OptimizationResult:
    """Writes the fp32 file of a checkpoint, and what of its candidates is worth keeping, into
    the folder `out`.

    Candidates are made with the recipe's training faces and judged on its evaluation faces, in the
    runtime's crops. A candidate whose NME rises by more than `max_nme_increase` points is not
    kept; where `goal` asked for it by name, VerificationError is raised and nothing is written.
    Raises what `export` raises. `tell` hears what is being done.
    """
    source = load_source(checkpoint, data)
    name = source.recipe.name
    usable = [provider.name for provider in usable_providers(import_onnxruntime())]
    with TemporaryDirectory() as given:
        folder = Path(given)
        fp32, _ = fp32_model(source, out / f"{name}.onnx")
        context = _context(source, fp32, data, folder, max_nme_increase, platform)
        made = [Candidate("fp32", "fp32", fp32)]
        for candidate in candidates(context, goal, usable):
            tell(f"made {candidate.name}: {candidate.precision}")
            made.append(candidate)
        tell(f"measuring {len(made)} files on {len(_faces(source))} faces, then timing them")
        found = _measure_all(made, source, folder)
        _check_asked(found, goal, max_nme_increase, out)
        speeds = _speeds([m for m in found if m.candidate.here], max_nme_increase)
        judged = [_judge(m, found[0], speeds.get(m.path), max_nme_increase, name) for m in found]
        _write(out, found, judged)
    faces = f"{len(_faces(source))} faces, {protocol(source.recipe)}"
    threads = available_threads()
    return OptimizationResult(out, faces, max_nme_increase, platform, threads, tuple(judged))


def _faces(source: Source) -> Faces:
    assert source.faces is not None
    return source.faces


def _context(
    source: Source,
    fp32: onnx.ModelProto,
    data: Path,
    folder: Path,
    budget: float,
    platform: Platform,
) -> OptimizationContext:
    recipe = source.recipe
    training, _ = load_split(data, recipe.split, recipe.landmarks)
    return OptimizationContext(fp32, source.sampler, training, budget, platform, folder)


def _measure_all(made: Sequence[Candidate], source: Source, folder: Path) -> list[_Measured]:
    """All candidates on the evaluation faces, as files."""
    faces = verification_faces(source.faces, source.sampler, len(_faces(source)))
    wanted = predict_all(torch_predict(source.network), faces.crops)
    return [_measure(one, source, faces, wanted, folder) for one in made]


def _measure(
    candidate: Candidate,
    source: Source,
    faces: VerificationFaces,
    wanted: Prediction,
    folder: Path,
) -> _Measured:
    path = folder / f"{candidate.name}.onnx"
    card = replace(source.card, precision=candidate.precision, platform=candidate.platform)
    onnx.checker.check_model(candidate.model, full_check=False)
    onnx.save(with_card(candidate.model, card), path)
    run = LandmarkSession(path, "cpu").run
    verification = verify(lambda _: wanted, run, faces)
    result = evaluate(run, _faces(source), source.sampler)
    if not np.isfinite(result.points).all():
        raise NonFiniteOutputError(f"{card.name} as {candidate.name}")
    card = replace(
        card,
        accuracy={**card.accuracy, protocol(source.recipe): measured(result)},
        parity=verification.parity,
    )
    onnx.save(with_card(candidate.model, card), path)
    flips = _flips(wanted, predict_all(run, faces.crops))
    return _Measured(candidate, card, path, result.accuracy.nme, verification, flips)


def _flips(wanted: Prediction, found: Prediction) -> float | None:
    if wanted.scores is None or found.scores is None:
        return None
    return float(np.mean((wanted.scores >= MIN_PRESENCE) != (found.scores >= MIN_PRESENCE)))


def _broken_budget(one: _Measured, fp32: _Measured, max_increase: float) -> str | None:
    """What makes a candidate wrong; None where it is right."""
    change = one.nme - fp32.nme
    if not change <= max_increase:
        return f"NME {change:+.3f} points, the budget is {max_increase:+g}"
    if one.score_flips is not None and not one.score_flips <= LARGEST_FLIPS:
        share = f"{100 * one.score_flips:.1f} % of the faces"
        return f"its score sees {share} differently, the budget is {100 * LARGEST_FLIPS:g} %"
    return None


def _check_asked(
    found: Sequence[_Measured], goal: OptimizeGoal, max_increase: float, out: Path
) -> None:
    """What was asked for by name is right, or nothing is written."""
    if goal == "auto":
        return
    for one in found:
        problem = _broken_budget(one, found[0], max_increase)
        if problem:
            raise VerificationError.of_budget(out, one.candidate.name, problem)


def _speeds(found: Sequence[_Measured], max_increase: float) -> dict[Path, Speed]:
    """Calls with one crop, of all that are right, in alternating processes."""
    right = [one for one in found if _broken_budget(one, found[0], max_increase) is None]
    settings = SessionSettings.single_calls()
    speeds: dict[Path, Speed] = {}
    for provider in dict.fromkeys(one.candidate.provider for one in right):
        # fp32 runs along on each provider, for the ratio.
        group = [one for one in right if one.candidate.provider == provider]
        timed = group if group[0] is found[0] else [found[0], *group]
        contenders = [
            session_contender(str(one.path), one.path, settings, provider=provider) for one in timed
        ]
        times = time_interleaved(contenders, BLOCKS, SECONDS)
        for one in group:
            blocks = times[str(one.path)]
            ratio, interval = paired_ratio(times[str(found[0].path)], blocks)
            p50_ms = 1000 * float(np.median(np.concatenate(blocks)))
            speeds[one.path] = Speed(p50_ms, ratio, interval)
    return speeds


def _judge(
    one: _Measured, fp32: _Measured, speed: Speed | None, max_increase: float, name: str
) -> CandidateResult:
    is_fp32 = one is fp32
    problem = _broken_budget(one, fp32, max_increase)
    share = one.path.stat().st_size / fp32.path.stat().st_size
    if is_fp32:
        kept, verdict = True, "kept: the reference"
    elif problem:
        kept, verdict = False, f"not kept: {problem}"
    elif speed is None:
        kept, verdict = (
            True,
            f"kept: {share:.0%} of the size; made for another machine, not timed",
        )
    else:
        kept, verdict = worth(speed, share)
    return CandidateResult(
        name=one.candidate.name,
        file=f"{name}.onnx" if is_fp32 else f"{name}-{one.candidate.name}.onnx",
        precision=one.candidate.precision,
        bytes=one.path.stat().st_size,
        nme=one.nme,
        nme_change=one.nme - fp32.nme,
        largest_px=one.verification.parity.largest_px,
        score_flips=one.score_flips,
        p50_ms=speed.p50_ms if speed else None,
        ratio=speed.ratio if speed else None,
        ratio_interval=speed.interval if speed else None,
        kept=kept,
        verdict=verdict,
    )


def worth(speed: Speed, share: float) -> tuple[bool, str]:
    """Whether a right candidate is better than fp32, and in which way."""
    if speed.ratio >= FASTER and speed.interval[0] > 1:
        return True, f"kept: {speed.ratio:.2f} times as fast, {share:.0%} of the size"
    if share <= SMALLER and speed.ratio >= AS_FAST:
        return True, f"kept: {share:.0%} of the size, as fast"
    if speed.ratio < AS_FAST:
        return False, f"not kept: {100 * (1 / speed.ratio - 1):.0f} % slower here; fp32 stays"
    return False, "not kept: neither faster nor much smaller; fp32 stays"


def _write(out: Path, found: Sequence[_Measured], judged: Sequence[CandidateResult]) -> None:
    """The kept files, each whole."""
    for one, result in zip(found, judged, strict=True):
        path = out / result.file
        if not result.kept:
            continue
        with atomic_write(path) as partial, output_errors(path):
            partial.write_bytes(one.path.read_bytes())
