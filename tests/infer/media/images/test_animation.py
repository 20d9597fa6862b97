"""Synthetic animations are read, written and compared."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fkd_infer.errors import LimitError, OutputError, UnreadableVideoError
from fkd_infer.geometry.arrays import gray_plane
from fkd_infer.media.frames import frame_count, frames_from
from fkd_infer.media.images.animation import (
    ONCE,
    is_animated,
    read_animation,
)
from fkd_infer.media.images.animation_writer import AnimationSink
from fkd_infer.media.images.webp import canvas_chunk, chunk, webp_file
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.sinks import open_sink
from fkd_infer.media.sources import expand_sources
from fkd_infer.types import Frame, FrameRange, ReadSettings

SUFFIXES = (".gif", ".png", ".webp")
DURATIONS = [Fraction(hundredths, 100) for hundredths in (4, 20, 7, 13, 50)]


def shaded(shift: int) -> NDArray[np.uint8]:
    """Returns a shifted gradient of more colours than a palette has."""
    rows, columns = np.mgrid[0:96, 0:128]
    planes = (columns * 2, rows * 2, 255 - columns - rows)
    return np.roll(np.stack(planes, -1), 9 * shift, 1).astype(np.uint8)


def smooth(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Blurs dithered colours, as seen from a distance."""
    return np.asarray(cv2.GaussianBlur(image.astype(np.float32), (0, 0), 3), np.float32)


def starts(durations: Sequence[Fraction]) -> list[Fraction]:
    return [Fraction(0), *accumulate(durations)][: len(durations)]


def write_frames(path: Path, times: Sequence[Fraction]) -> Path:
    with AnimationSink(path, None) as sink:
        for index, time in enumerate(times):
            sink.write(Frame(shaded(index), "", index, time))
    return path


def write_timed(path: Path, loop: int = 3) -> Path:
    """Writes five frames of different durations byte by byte, the last one's included."""
    if path.suffix == ".webp":
        frames = []
        size = bytes(6) + (127).to_bytes(3, "little") + (95).to_bytes(3, "little")
        for index, duration in enumerate(DURATIONS):
            data = cv2.imencode(".webp", shaded(index), [cv2.IMWRITE_WEBP_QUALITY, 95])[1]
            duration_ms = int(duration * 1000).to_bytes(3, "little")
            frames.append(chunk(b"ANMF", size + duration_ms + b"\2" + data.tobytes()[12:]))
        head = canvas_chunk(128, 96, 2) + chunk(b"ANIM", bytes(4) + loop.to_bytes(2, "little"))
        path.write_bytes(webp_file(head + b"".join(frames)))
        return path
    if path.suffix == ".png":
        first, *others = (Image.fromarray(shaded(index)[..., ::-1]) for index in range(5))
        times = [int(1000 * duration) for duration in DURATIONS]
        first.save(path, save_all=True, append_images=others, duration=times, loop=loop)
        return path
    written = write_frames(path, starts(DURATIONS)).read_bytes()
    repeated = written.index(b"NETSCAPE2.0\3\1") + 13
    last = written.rindex(b"\x21\xf9\x04") + 4
    for at, value in ((repeated, loop), (last, int(DURATIONS[-1] * 100))):
        written = written[:at] + value.to_bytes(2, "little") + written[at + 2 :]
    path.write_bytes(written)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
class TestBoth:
    def test_reads_durations_and_repetitions(self, suffix: str, tmp_path: Path) -> None:
        found = read_animation(write_timed(tmp_path / f"a{suffix}"))
        assert found is not None
        assert (found.format.suffixes[0], list(found.durations), found.loop) == (
            suffix,
            DURATIONS,
            3,
        )
        assert found.complete

    def test_is_read_as_a_video(self, suffix: str, tmp_path: Path) -> None:
        [source] = expand_sources([str(write_timed(tmp_path / f"a{suffix}"))])
        assert (source.kind, source.output) == ("video", Path(f"a{suffix}"))
        frames = list(frames_from(source))
        assert [frame.time for frame in frames] == starts(DURATIONS)
        assert frame_count(source) == len(frames) == 5
        for frame in frames:
            off = np.abs(smooth(frame.image) - smooth(shaded(frame.index)))
            assert (off.mean() < 3, off.max() < 20) == (True, True)

    def test_keeps_timing_and_pictures(self, suffix: str, tmp_path: Path) -> None:
        path = write_timed(tmp_path / f"a{suffix}")
        [source] = expand_sources([str(path)])
        with open_sink(source, tmp_path / "out") as sink:
            for frame in frames_from(source):
                sink.write(frame)
        written = tmp_path / "out" / f"a{suffix}"
        assert read_animation(written) == read_animation(path)
        [again] = expand_sources([str(written)])
        for new, old in zip(frames_from(again), frames_from(source), strict=True):
            assert new.time == old.time
            assert np.abs(smooth(new.image) - smooth(old.image)).mean() < 3

    def test_gray(self, suffix: str, tmp_path: Path) -> None:
        [source] = expand_sources([str(write_timed(tmp_path / f"a{suffix}"))])
        colours = [gray_plane(frame.image) for frame in frames_from(source)]
        for frame, colour in zip(
            frames_from(source, settings=ReadSettings(gray=True)), colours, strict=True
        ):
            np.testing.assert_allclose(frame.image, colour, atol=1)

    def test_a_frame_range(self, suffix: str, tmp_path: Path) -> None:
        [source] = expand_sources([str(write_timed(tmp_path / f"a{suffix}"))])
        frame_range = FrameRange(start=Fraction(1, 25), stride=2, max_frames=2)
        found: list[tuple[int, Fraction]] = []
        with open_sink(source, tmp_path / "out", frame_range=frame_range) as sink:
            for frame in frames_from(source, frame_range):
                found.append((frame.index, frame.time))
                sink.write(frame)
        assert found == [(0, Fraction(4, 100)), (2, Fraction(31, 100))]
        written = read_animation(tmp_path / "out" / source.output)
        assert written is not None
        assert written.durations == (Fraction(27, 100), Fraction(63, 100))

    def test_the_content_decides_not_the_name(self, suffix: str, tmp_path: Path) -> None:
        other = SUFFIXES[SUFFIXES.index(suffix) - 1]
        wrong = tmp_path / f"a{other}"
        bare = tmp_path / "b"
        for path in (wrong, bare):
            path.write_bytes(write_timed(tmp_path / f"x{suffix}").read_bytes())
            [source] = expand_sources([str(path)])
            assert source.output == Path(path.stem + suffix)
            assert len(list(frames_from(source))) == 5

    def test_a_single_picture_is_an_image(self, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"a{suffix}"
        if suffix == ".gif":
            write_frames(path, [Fraction(0)])
        else:
            write_image(path, shaded(0))
        assert not is_animated(path)
        [source] = expand_sources([str(path)])
        assert source.kind == "image"
        assert source.output == Path("a.png" if suffix == ".gif" else f"a{suffix}")
        [frame] = frames_from(source)
        assert np.abs(smooth(frame.image) - smooth(shaded(0))).mean() < 3

    @pytest.mark.parametrize("share", [0.5, 0.9])
    def test_reports_a_truncated_file(self, share: float, suffix: str, tmp_path: Path) -> None:
        path = write_timed(tmp_path / f"a{suffix}")
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        [source] = expand_sources([str(path)])
        read: list[int] = []
        with pytest.raises(UnreadableVideoError, match=r"frame|cut short"):
            read.extend(frame.index for frame in frames_from(source))
        assert 2 <= len(read) <= 5
        assert read == list(range(len(read)))

    def test_an_error_leaves_nothing(self, suffix: str, tmp_path: Path) -> None:
        def fail() -> None:
            with AnimationSink(tmp_path / f"a{suffix}", None) as sink:
                sink.write(Frame(shaded(0), ""))
                raise KeyError("stop")

        with pytest.raises(KeyError):
            fail()
        assert list(tmp_path.iterdir()) == []

    def test_refuses_frames_of_two_sizes(self, suffix: str, tmp_path: Path) -> None:
        with AnimationSink(tmp_path / f"a{suffix}", None) as sink:
            sink.write(Frame(shaded(0), ""))
            with pytest.raises(OutputError, match="another size"):
                sink.write(Frame(shaded(0)[:50], "", 1, Fraction(1)))


def test_rounding_in_a_gif_does_not_add_up(tmp_path: Path) -> None:
    times = [Fraction(number, 30) for number in range(30)]
    found = read_animation(write_frames(tmp_path / "a.gif", times))
    assert found is not None
    for start, time in zip(starts(found.durations), times, strict=True):
        assert abs(start - time) <= Fraction(1, 200)


def test_leaves_out_frames_that_are_too_short_for_players(tmp_path: Path) -> None:
    found = read_animation(
        write_frames(tmp_path / "a.gif", [Fraction(number, 100) for number in range(10)])
    )
    assert found is not None
    assert starts(found.durations) == [Fraction(number, 50) for number in range(5)]


def test_a_gif_without_repetition_is_played_once(tmp_path: Path) -> None:
    path = write_timed(tmp_path / "a.gif")
    data = path.read_bytes()
    at = data.index(b"\x21\xff\x0bNETSCAPE2.0")
    path.write_bytes(data[:at] + data[at + 19 :])
    found = read_animation(path)
    assert found is not None
    assert (found.loop, found.durations) == (ONCE, tuple(DURATIONS))


def test_blends_and_disposes_parts_of_a_webp(tmp_path: Path) -> None:
    """A half transparent patch, which is removed again."""
    base = np.full((40, 60, 3), (0, 0, 200), np.uint8)
    patch = np.full((10, 20, 4), (200, 0, 0, 128), np.uint8)
    frames = []
    for image, left, flags in ((base, 0, 0), (patch, 4, 1), (patch, 30, 0)):
        height, width = image.shape[:2]
        place = (left // 2).to_bytes(3, "little") + bytes(3)
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
        parts = data[30:] if data[12:16] == b"VP8X" else data[12:]
        head = place + size + (40).to_bytes(3, "little") + bytes([flags])
        frames.append(chunk(b"ANMF", head + parts))
    path = tmp_path / "a.webp"
    path.write_bytes(
        webp_file(canvas_chunk(60, 40, 0x12) + chunk(b"ANIM", bytes(6)) + b"".join(frames))
    )
    [source] = expand_sources([str(path)])
    first, second, third = (frame.image for frame in frames_from(source))
    assert (first == (0, 0, 200)).all()
    np.testing.assert_allclose(second[5, 10], (100, 0, 100), atol=1)
    assert (second[30, 50] == (0, 0, 200)).all()
    assert (third[5, 10] == (255, 255, 255)).all()
    np.testing.assert_allclose(third[5, 40], (100, 0, 100), atol=1)


def test_refuses_an_impossible_size(tmp_path: Path) -> None:
    path = write_timed(tmp_path / "a.webp")
    data = path.read_bytes()
    path.write_bytes(data[:24] + b"\xff" * 6 + data[30:])
    [source] = expand_sources([str(path)])
    with pytest.raises(LimitError, match="16777216 × 16777216 pixels, but 250 million"):
        next(frames_from(source))


def test_reports_a_missing_file_when_it_is_read(tmp_path: Path) -> None:
    path = write_timed(tmp_path / "a.webp")
    [source] = expand_sources([str(path)])
    path.unlink()
    with pytest.raises(UnreadableVideoError, match="No such file"):
        next(frames_from(source))


def test_refuses_a_size_that_webp_does_not_hold(tmp_path: Path) -> None:
    sink = AnimationSink(tmp_path / "a.webp", None)
    with pytest.raises(OutputError, match=r"a\.webp: cannot be written: .* no WebP of 16400x2"):
        sink.write(Frame(np.zeros((2, 16_400, 3), np.uint8), ""))


def test_refuses_a_suffix(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"ends in one of \.gif, \.webp"):
        AnimationSink(tmp_path / "a.bmp", None)
