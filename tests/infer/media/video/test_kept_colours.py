"""Videos that are read and written again keep their pixels, tags, depth and light metadata."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fkd_infer.canvas.colour_space import BT601, BT709, BT2020, HLG, PQ, ColourSpace
from fkd_infer.choices import Codec
from fkd_infer.errors import OutputError
from fkd_infer.media.video.colour import space_of
from fkd_infer.media.video.container import OpenVideo
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.picture import VideoPicture, planes_of
from fkd_infer.media.video.reader import read_video
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import Frame, FrameRange, ReadSettings

STORED = ReadSettings(gray=True, stored=True)
HDR10 = (
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    ":max-cll=1000,400"
)


def make_video(path: Path, space: ColourSpace, encoder: str = "libx264", **options: str) -> Path:
    """Three frames of noise, encoded without loss unless options say otherwise."""
    random = np.random.default_rng(0)
    lossless = {"libx264": {"crf": "0"}, "libx265": {"x265-params": "lossless=1:log-level=none"}}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options or lossless[encoder])
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuv420p" if space.bits == 8 else "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries = space.matrix, space.primaries
        context.color_trc = space.transfer
        context.color_range = {None: 0, False: 1, True: 2}[space.full_range]
        for _ in range(3):
            frame = VideoFrame(64, 48, stream.pix_fmt)
            for plane in planes_of(frame):
                low, high = 64 << (space.bits - 8), 192 << (space.bits - 8)
                plane[:] = random.integers(low, high, plane.shape)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def rewrite(source: Path, target: Path, encoding: Encoding, settings: ReadSettings) -> list[str]:
    """Reads and writes a video; returns the sink's notes."""
    with VideoSink(target, source, encoding) as sink:
        for frame in read_video(source, "", settings=settings):
            sink.write(frame)
    return list(sink.notes)


def pictures_of(path: Path) -> list[VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


SPACES = [
    ColourSpace(),
    ColourSpace(BT601, 6, 6, full_range=False),
    ColourSpace(BT709, BT709, BT709, full_range=False),
    ColourSpace(BT709, BT709, BT709, full_range=True),
    ColourSpace(BT709, BT709, BT709, full_range=False, bits=10),
]


@pytest.mark.parametrize("space", SPACES)
def test_pixels_and_tags_are_the_same_bit_for_bit(space: ColourSpace, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", space)
    # Quality 123 % of the default is a rate factor of 0, which x264 encodes without loss.
    lossless = Encoding("h264", round(75 * 51 / 31) if space.bits == 8 else None)
    notes = rewrite(source, tmp_path / "b.mp4", lossless, STORED)
    assert notes == []
    before, after = pictures_of(source), pictures_of(tmp_path / "b.mp4")
    assert len(before) == len(after) == 3
    for old, new in zip(before, after, strict=True):
        assert space_of(new) == space_of(old)
        for plane, other in zip(planes_of(old), planes_of(new), strict=True):
            if space.bits == 8:
                np.testing.assert_array_equal(plane, other)
            else:
                assert np.abs(plane.astype(int) - other).mean() < 30


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize(("suffix", "name"), [(".mp4", "hevc"), (".mkv", "hevc"), (".webm", "av1")])
def test_hdr_stays_hdr(transfer: int, suffix: str, name: str, tmp_path: Path) -> None:
    space = ColourSpace(BT2020, BT2020, transfer, full_range=False, bits=10)
    params = f"log-level=none:repeat-headers=1:{HDR10}"
    source = make_video(tmp_path / "a.mp4", space, "libx265", **{"x265-params": params})
    rewrite(source, tmp_path / f"b{suffix}", Encoding(), STORED)
    with av.open(str(tmp_path / f"b{suffix}")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name in (name, "libdav1d")
        if suffix == ".mp4":
            assert stream.codec_context.codec_tag == "hvc1", "Apple's players look for it"
        [first, *_] = container.decode(stream)
    written, given = space_of(first), space_of(pictures_of(source)[0])
    assert written == given == space
    assert given.content_light == written.content_light == (1000, 400)
    assert given.mastering is not None
    assert written.mastering is not None
    assert written.mastering.luminance == pytest.approx(given.mastering.luminance, rel=0.02)
    assert written.mastering.white == pytest.approx(given.mastering.white, abs=1e-4)
    for point, other in zip(written.mastering.primaries, given.mastering.primaries, strict=True):
        assert point == pytest.approx(other, abs=1e-4)


def test_sdr_writes_8_bits_in_bt709(tmp_path: Path) -> None:
    space = ColourSpace(BT2020, BT2020, PQ, full_range=False, bits=10)
    source = make_video(tmp_path / "a.mp4", space, "libx265")
    settings = ReadSettings(gray=True, stored=True, sdr=True)
    rewrite(source, tmp_path / "b.mp4", Encoding(), settings)
    picture = pictures_of(tmp_path / "b.mp4")[0]
    assert space_of(picture) == ColourSpace(BT709, BT709, BT709, full_range=False)


@pytest.mark.parametrize("codec", ["vp9"])
def test_hdr_in_8_bits_is_refused(codec: Codec, tmp_path: Path) -> None:
    space = ColourSpace(BT2020, BT2020, PQ, full_range=False, bits=10)
    source = make_video(tmp_path / "a.mp4", space, "libx265")
    with pytest.raises(OutputError, match="--codec av1, or --sdr"):
        rewrite(source, tmp_path / "b.mp4", Encoding(codec), STORED)
    assert not (tmp_path / "b.mp4").exists()


def test_a_codec_of_8_bits_says_what_is_lost(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", SPACES[-1], "libx265")
    notes = rewrite(source, tmp_path / "b.mp4", Encoding("vp9"), STORED)
    assert notes == ["its 10 bits become 8"]
    assert space_of(pictures_of(tmp_path / "b.mp4")[0]).bits == 8


def test_frames_that_are_images_have_opencvs_matrix(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.mp4", None) as sink:
        sink.write(Frame(np.full((48, 64, 3), (200, 100, 50), np.uint8), "", 0, Fraction(0)))
    [picture] = pictures_of(tmp_path / "a.mp4")
    assert space_of(picture) == ColourSpace(BT601, BT709, BT709, full_range=False)


@pytest.mark.parametrize(("parameter", "order"), [("tff=1", 2), ("bff=1", 3)])
def test_interlaced_pictures_stay_interlaced(parameter: str, order: int, tmp_path: Path) -> None:
    options = {"x264-params": f"{parameter}:crf=20"}
    source = make_video(tmp_path / "a.mp4", ColourSpace(), **options)
    assert rewrite(source, tmp_path / "b.mp4", Encoding(), STORED) == []
    assert all(picture.interlaced_frame for picture in pictures_of(tmp_path / "b.mp4"))
    times = [
        [picture.time for picture in pictures_of(path)] for path in (source, tmp_path / "b.mp4")
    ]
    assert times[0] == times[1]
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].codec_context.field_order == order
    whole = ReadSettings(gray=True, stored=True, deinterlace=True)
    rewrite(source, tmp_path / "c.mp4", Encoding(), whole)
    assert not any(picture.interlaced_frame for picture in pictures_of(tmp_path / "c.mp4"))
    [note] = rewrite(source, tmp_path / "d.mp4", Encoding("h265"), STORED)
    assert "--deinterlace" in note


def test_alpha_stays_where_the_encoder_has_it(tmp_path: Path) -> None:
    source = tmp_path / "a.webm"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=25, options={"crf": "10", "b": "0"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        stream.codec_context.max_b_frames = 0
        stream.metadata["alpha_mode"] = "1"
        for _ in range(3):
            frame = VideoFrame(64, 48, "yuva420p")
            for plane in planes_of(frame):
                plane[:] = 128
            planes_of(frame)[3][:, :32] = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert rewrite(source, tmp_path / "b.webm", Encoding(), STORED) == []
    for written in read_video(tmp_path / "b.webm", "", settings=STORED):
        assert isinstance(written.stored, VideoPicture)
        assert written.stored.alpha is not None
        assert written.stored.alpha[:, :28].max() < 20
        assert np.abs(written.stored.alpha[:, 36:].astype(int) - 128).max() < 20
        with written.canvas().ink((0, 0, 16, 16)) as ink:
            ink.pixels[:] = ink.palette.mark((0, 0, 255))
        assert written.stored.alpha[:16, :16].min() == 255, "what is drawn is opaque"
    [note] = rewrite(source, tmp_path / "c.mp4", Encoding(), STORED)
    assert note == "without its transparency"
    start = FrameRange(Fraction(1, 25))
    assert len(list(read_video(source, "", start, settings=STORED))) == 2


@pytest.mark.parametrize(
    ("order", "bottom_first"), [(0, False), (2, False), (3, True), (4, False), (5, True)]
)
def test_the_order_of_fields_is_that_of_libavs_encoders(order: int, bottom_first: bool) -> None:
    """AVFieldOrder: unknown, TT, BB, TB and BT."""
    codec = SimpleNamespace(field_order=order, name="prores")
    stream: Any = SimpleNamespace(codec_context=codec)
    container: Any = SimpleNamespace(format=SimpleNamespace(name="mov"))
    video = OpenVideo(Path("a.mov"), container, stream, stream.codec_context, Fraction(0))
    assert video.bottom_first is bottom_first
    codec.name = "dvvideo"
    assert video.bottom_first is (bottom_first or order == 0)


def test_transparency_of_other_formats_is_said_to_be_lost(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("qtrle", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "argb"
        frame = VideoFrame.from_ndarray(np.full((48, 64, 4), 99, np.uint8), format="argb")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    [note] = rewrite(tmp_path / "a.mov", tmp_path / "b.mov", Encoding(), STORED)
    assert note == "without its transparency"
    assert rewrite(tmp_path / "a.mov", tmp_path / "b.webm", Encoding(), STORED) == []
