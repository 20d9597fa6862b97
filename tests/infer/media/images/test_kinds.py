"""Image files of many kinds, as phones, cameras, scanners and programs write them: read with the
right pixels, the right way up, and written with what they had."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngInfo
from pillow_heif import from_pillow, register_heif_opener

from fkd_infer.errors import UnreadableImageError
from fkd_infer.media.frames import frames_from
from fkd_infer.media.images.file import read_image
from fkd_infer.media.sinks import open_sink
from fkd_infer.media.sources import expand_sources
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.stores.address import Place

register_heif_opener()  # for writing, and for what is expected
ORIENTATION, ARTIST, GPS = 0x0112, 0x013B, 0x8825
HEIGHT, WIDTH = 48, 80


def photo() -> NDArray[np.uint8]:
    """RGB with a gradient, and with corners that show how it is turned."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    image = np.stack([columns * 3, rows * 5, 255 - rows * 2 - columns], -1).astype(np.uint8)
    image[:12, :12], image[-12:, -12:] = (255, 30, 30), (30, 30, 255)
    return image


def gray() -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(photo()).convert("L"))


def saved(format: str, image: Image.Image | None = None, **options: Any) -> bytes:
    out = BytesIO()
    (image or Image.fromarray(photo())).save(out, format, **options)
    return out.getvalue()


def mode(name: str, format: str, **options: Any) -> Callable[[], bytes]:
    return lambda: saved(format, Image.fromarray(photo()).convert(name), **options)


def heic(image: Image.Image | None = None, **metadata: Any) -> bytes:
    """A HEIC as of a phone: an orientation in its Exif is also that of the container."""
    out = BytesIO()
    from_pillow(image or Image.fromarray(photo())).save(out, quality=90, **metadata)
    return out.getvalue()


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    out = BytesIO()
    tifffile.imwrite(out, pixels, **options)
    return out.getvalue()


def opencv(suffix: str, pixels: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(suffix, pixels)[1].tobytes())


def packed(pixels: NDArray[np.uint8], bits: int) -> bytes:
    """A gray TIFF of 2 or 4 bits."""
    per_byte = 8 // bits
    levels = (pixels >> (8 - bits)).reshape(len(pixels), -1, per_byte)
    shifts = np.arange(8 - bits, -1, -bits)
    rows = (levels.astype(np.int64) << shifts).sum(-1).astype(np.uint8)
    fields = {256: pixels.shape[1], 257: len(pixels), 258: bits, 259: 1, 262: 1, 273: 8, 277: 1}
    fields |= {278: len(pixels), 279: rows.nbytes}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items())
    head = struct.pack("<2sHI", b"II", 42, 8 + rows.nbytes)
    return head + bytes(rows.data) + struct.pack("<H", len(fields)) + entries + bytes(4)


def jpeg_exif_in_webp() -> bytes:
    """A WebP whose block of Exif begins as in a JPEG, as some programs write it."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = saved("WEBP", turned(6), lossless=True, exif=exif)
    at = data.index(b"EXIF")
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    block = data[at + 8 : at + 8 + length]
    block = block if block.startswith(b"Exif\0\0") else b"Exif\0\0" + block
    block += bytes(len(block) % 2)
    data = data[: at + 4] + len(block).to_bytes(4, "little") + block
    return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]


def gif_with_odd_comment() -> bytes:
    data = saved("GIF", comment=b"plain")
    return data.replace(b"plain", b"\xff\xfe\xc3\x28\x80")


def turned(orientation: int) -> Image.Image:
    """The photo as stored by a camera that was held so."""
    undo: dict[int, Image.Transpose] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(photo())
    return image.transpose(undo[orientation]) if orientation in undo else image


def with_alpha() -> Image.Image:
    image = Image.fromarray(photo()).convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.arange(WIDTH, dtype=np.uint8) * 3, (HEIGHT, 1))))
    return image


def deep(bits: int, channels: int = 3) -> NDArray[np.uint16]:
    image = photo() if channels == 3 else gray()
    return (image.astype(np.uint16) << (bits - 8)).astype(np.uint16)


DEEP_BGR = deep(16)[..., ::-1]
LOSSY = 6.0
"""Mean difference that lossy coding may make, in levels."""
KINDS: dict[str, tuple[Callable[[], bytes], float]] = {
    # JPEG
    "baseline.jpg": (lambda: saved("JPEG", quality=95), LOSSY),
    "full chroma.jpg": (lambda: saved("JPEG", quality=100, subsampling=0), 3),
    "progressive.jpeg": (lambda: saved("JPEG", quality=95, progressive=True), LOSSY),
    "gray.jpe": (mode("L", "JPEG", quality=95), LOSSY),
    "inks.jpg": (mode("CMYK", "JPEG", quality=95), LOSSY),
    "facebook.jfif": (lambda: saved("JPEG", quality=95), LOSSY),
    "several.mpo": (lambda: saved("MPO", save_all=True, quality=95), LOSSY),
    "no suffix": (lambda: saved("JPEG", quality=95), LOSSY),
    "really a jpeg.heic": (lambda: saved("JPEG", quality=95), LOSSY),
    "with thumbnail.JPG": (lambda: saved("JPEG", quality=95, comment=b"x" * 999), LOSSY),
    # PNG
    "plain.png": (lambda: saved("PNG"), 0),
    "palette.png": (mode("P", "PNG"), 30),
    "gray.png": (mode("L", "PNG"), 0),
    "black and white.png": (mode("1", "PNG"), 0),
    "alpha.png": (lambda: saved("PNG", with_alpha()), 0),
    "gray alpha.png": (mode("LA", "PNG"), 0),
    "16 bits.png": (lambda: opencv(".png", DEEP_BGR), 1),
    "gray of 16 bits.png": (lambda: opencv(".png", deep(16, 1)), 1),
    "12 bits in 16.png": (lambda: opencv(".png", deep(12)[..., ::-1]), 1),
    "gray of 10 bits in 16.png": (lambda: opencv(".png", deep(10, 1)), 1),
    "really a png.jpg": (lambda: saved("PNG"), 0),
    # WebP, GIF, BMP
    "lossy.webp": (lambda: saved("WEBP", quality=95), LOSSY),
    "lossless.webp": (lambda: saved("WEBP", lossless=True), 0),
    "alpha.webp": (lambda: saved("WEBP", with_alpha(), lossless=True, exact=True), 0),
    "as in a jpeg.webp": (jpeg_exif_in_webp, 0),
    "still.gif": (lambda: saved("GIF"), 30),
    "odd comment.gif": (gif_with_odd_comment, 30),
    "plain.bmp": (lambda: saved("BMP"), 0),
    "palette.bmp": (mode("P", "BMP"), 30),
    "gray.dib": (mode("L", "BMP"), 0),
    # TIFF
    "plain.tif": (lambda: saved("TIFF"), 0),
    "lzw.tiff": (lambda: saved("TIFF", compression="tiff_lzw"), 0),
    "zip.tif": (lambda: saved("TIFF", compression="tiff_adobe_deflate"), 0),
    "jpeg in.tif": (lambda: saved("TIFF", compression="jpeg", quality=95), LOSSY),
    "fax.tif": (mode("1", "TIFF", compression="group4"), 0),
    "gray.tif": (mode("L", "TIFF"), 0),
    "inks.tif": (mode("CMYK", "TIFF"), LOSSY),
    "alpha.tif": (lambda: saved("TIFF", with_alpha()), 0),
    "2 bits.tif": (lambda: packed(gray(), 2), 64),
    "4 bits.tif": (lambda: packed(gray(), 4), 16),
    "16 bits.tif": (lambda: tiff(deep(16), photometric="rgb"), 1),
    "gray of 16 bits.tif": (lambda: tiff(deep(16, 1)), 1),
    "gray of 12 bits in 16.tif": (lambda: tiff(deep(12, 1)), 1),
    "32 bits.tif": (lambda: tiff(gray().astype(np.uint32) << 24), 1),
    "fractions.tif": (lambda: tiff((photo() / 255).astype(np.float32), photometric="rgb"), 1),
    "gray fractions.tif": (lambda: tiff((gray() / 255).astype(np.float32)), 1),
    "fractions of 64 bits.tif": (lambda: tiff(gray() / 255.0), 1),
    "fractions up to 255.tif": (lambda: tiff(gray().astype(np.float32)), 1),
    "big.tif": (lambda: tiff(photo(), bigtiff=True, photometric="rgb"), 0),
    "big endian.tif": (lambda: tiff(photo(), byteorder=">", photometric="rgb"), 0),
    "tiles.tif": (lambda: tiff(photo(), tile=(16, 16), photometric="rgb"), 0),
    "planes.tif": (
        lambda: tiff(photo().transpose(2, 0, 1).copy(), photometric="rgb", planarconfig=2),
        0,
    ),
    "pages.tif": (
        lambda: tiff(np.stack([photo(), 255 - photo()]), photometric="rgb"),
        0,
    ),
    # HEIC, AVIF, JPEG 2000, PPM
    "phone.heic": (heic, LOSSY),
    "gray.heif": (lambda: heic(Image.fromarray(gray())), LOSSY),
    "alpha.heic": (lambda: heic(with_alpha()), LOSSY),
    "plain.avif": (lambda: saved("AVIF", quality=95), LOSSY),
    "alpha.avif": (lambda: saved("AVIF", with_alpha(), quality=95), LOSSY),
    "plain.jp2": (lambda: saved("JPEG2000"), 0),
    "codestream.j2k": (lambda: saved("JPEG2000", no_jp2=True), 0),
    "gray.jpx": (mode("L", "JPEG2000"), 0),
    "plain.ppm": (lambda: saved("PPM"), 0),
    "gray.pgm": (mode("L", "PPM"), 0),
    "fax.pbm": (mode("1", "PPM"), 0),
    "gray of 16 bits.pgm": (lambda: opencv(".pgm", deep(16, 1)), 1),
    "text.ppm": (
        lambda: (
            b"P3\n%d %d\n255\n" % (WIDTH, HEIGHT)
            + b" ".join(b"%d" % value for value in photo().ravel())
        ),
        0,
    ),
}


def expected(name: str) -> NDArray[np.uint8]:
    """What a kind shows, as RGB."""
    if any(word in name for word in ("gray", "2 bits.", "4 bits", "32 bits", "of 64", "to 255")):
        return np.repeat(gray()[..., None], 3, axis=2)
    if "black and white" in name or name.startswith("fax"):
        return np.asarray(Image.fromarray(photo()).convert("1").convert("RGB"))
    return photo()


@pytest.mark.parametrize("name", KINDS)
def test_reads_the_right_pixels(name: str, tmp_path: Path) -> None:
    make, tolerance = KINDS[name]
    path = tmp_path / name
    path.write_bytes(make())
    image = read_image(path)
    assert image.shape == (HEIGHT, WIDTH, 3)
    off = np.abs(image[..., ::-1].astype(int) - expected(name))
    assert off.mean() <= tolerance
    np.testing.assert_array_equal(read_image(path.read_bytes()), image)


def test_a_folder_with_one_of_each_is_read_as_a_whole(tmp_path: Path) -> None:
    for name, (make, _) in KINDS.items():
        (tmp_path / name).write_bytes(make())
    (tmp_path / "notes.txt").write_text("P5 is a format, BM begins another\n")
    left_out: list[Place] = []
    sources = expand_sources([str(tmp_path)], left_out=left_out.append)
    assert {Path(source.name).name for source in sources} == set(KINDS)
    assert {source.kind for source in sources} == {"image"}
    assert [path.name for path in left_out] == ["notes.txt"]
    assert len({source.output for source in sources}) == len(sources)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["L", "P", "CMYK", "RGBA", "I;16", "rgb16", "f32", "png16"])
def test_turns_pictures_of_every_kind_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    """By path and by content: Pillow maps some files into memory, and OpenCV turns some itself."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = np.asarray(turned(orientation))
    path = tmp_path / "a.tif"
    tag = [(ORIENTATION, 3, 1, orientation, True)]
    if kind == "rgb16":
        data = tiff(stored.astype(np.uint16) << 8, photometric="rgb", extratags=tag)
    elif kind == "f32":
        data = tiff((stored / 255).astype(np.float32), photometric="rgb", extratags=tag)
    elif kind == "I;16":
        gray16 = np.asarray(turned(orientation).convert("L")).astype(np.uint16) << 8
        data = saved("TIFF", Image.fromarray(gray16), exif=exif)
    elif kind == "png16":
        out = opencv(".png", stored[..., ::-1].astype(np.uint16) << 8)
        block = exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = b"eXIf" + block
        length = len(block).to_bytes(4, "big")
        data = out[:33] + length + chunk + zlib.crc32(chunk).to_bytes(4, "big") + out[33:]
    else:
        data = saved("TIFF", turned(orientation).convert(kind), exif=exif)
    path.write_bytes(data)
    image = read_image(path)
    np.testing.assert_array_equal(read_image(data), image)
    expected = gray()[..., None] if kind in ("L", "I;16") else photo()
    assert image.shape == (HEIGHT, WIDTH, 3)
    off = np.abs(image[..., ::-1].astype(int) - expected).mean()
    assert off <= (30 if kind == "P" else LOSSY)
    written = process(path, tmp_path / "out")
    assert np.abs(read_image(written).astype(int) - image).mean() <= LOSSY


def test_a_file_of_the_same_name_in_the_folder_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("image data", "stdin"):
        (tmp_path / name).write_bytes(saved("PPM", Image.new("L", (WIDTH, HEIGHT), 200)))
    assert (read_image(saved("PPM", Image.new("L", (WIDTH, HEIGHT), 10))) == 10).all()


def test_white_may_be_zero() -> None:
    data = tiff(deep(16, 1), photometric="miniswhite")
    assert np.abs(read_image(data)[..., 0].astype(int) - (255 - gray().astype(int))).max() <= 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            lambda: tiff(
                deep(16).transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"
            ),
            "16 bits are stored in a way that is not read; save it with 8 bits",
        ),
        (
            lambda: tiff(photo(), photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)]),
            "a camera's raw file; develop it",
        ),
    ],
)
def test_refuses_what_it_would_show_wrong(data: Callable[[], bytes], why: str) -> None:
    with pytest.raises(UnreadableImageError, match=why):
        read_image(data())


ORIENTED: dict[str, Callable[[Image.Image, Image.Exif], bytes]] = {
    ".jpg": lambda image, exif: saved("JPEG", image, exif=exif, quality=95),
    ".png": lambda image, exif: saved("PNG", image, exif=exif),
    ".tif": lambda image, exif: saved("TIFF", image, exif=exif),
    ".webp": lambda image, exif: saved("WEBP", image, exif=exif, lossless=True),
    ".avif": lambda image, exif: saved("AVIF", image, exif=exif, quality=95),
    ".heic": lambda image, exif: heic(image, exif=exif.tobytes()),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ORIENTED)
def test_turns_pictures_upright(suffix: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[ARTIST] = orientation, "somebody"
    path = tmp_path / f"a{suffix}"
    path.write_bytes(ORIENTED[suffix](turned(orientation), exif))
    image = read_image(path)
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(image[..., ::-1].astype(int) - photo()).mean() <= LOSSY
    # What is written is upright, and says so.
    [source] = expand_sources([str(path)])
    with open_sink(source, tmp_path / "out") as sink:
        for frame in frames_from(source):
            sink.write(frame)
    written = tmp_path / "out" / source.output
    assert read_image(written).shape == image.shape
    assert np.abs(read_image(written).astype(int) - image).mean() <= LOSSY


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="6" tiff:Model="a camera"/></rdf:RDF></x:xmpmeta>'
)


def described(suffix: str) -> bytes:
    """The photo, stored on its side, with all metadata that the format holds."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[ARTIST] = 6, "somebody"
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(0x8769).update({0xA002: HEIGHT, 0xA003: WIDTH, 0x927C: b"maker"})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    common = {"exif": exif, "icc_profile": profile}
    if suffix == ".jpg":
        iptc = b"Photoshop 3.0\0a caption."
        block = b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc
        options = {"quality": 98, "subsampling": 0, "dpi": (300, 300), "xmp": XMP, "extra": block}
        return saved("JPEG", turned(6), **common, **options)
    if suffix == ".png":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        return saved("PNG", turned(6), **common, dpi=(300, 300), pnginfo=text)
    if suffix == ".tif":
        exif[700] = XMP
        return saved("TIFF", turned(6), dpi=(300, 300), exif=exif.tobytes(), icc_profile=profile)
    if suffix == ".webp":
        return saved("WEBP", turned(6), **common, lossless=True, xmp=XMP)
    if suffix == ".avif":
        return saved("AVIF", turned(6), **common, xmp=XMP)
    assert suffix == ".heic"
    return heic(turned(6), exif=exif.tobytes(), icc_profile=profile, xmp=XMP)


def process(path: Path, out: Path, strip: bool = False) -> Path:
    [source] = expand_sources([str(path)])
    with open_sink(source, out, Encoding(strip_metadata=strip)) as sink:
        for frame in frames_from(source):
            sink.write(frame)
    return out / source.output


@pytest.mark.parametrize("suffix", ORIENTED)
def test_what_is_written_keeps_what_it_had(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(described(suffix))
    written = process(path, tmp_path / "out")
    assert written.suffix == {".heic": ".jpg"}.get(suffix, suffix)
    with Image.open(path) as old, Image.open(written) as new:
        exif = new.getexif()
        assert exif[ARTIST] == "somebody"
        assert exif.get(ORIENTATION, 1) == 1
        assert exif.get_ifd(GPS)[1] == "N"
        details = exif.get_ifd(0x8769)
        assert details.get(0x927C) == b"maker"
        assert new.info["icc_profile"] == old.info["icc_profile"]
        if suffix in (".jpg", ".png", ".tif"):
            assert [round(value) for value in new.info["dpi"]] == [300, 300]
            assert (details[0xA002], details[0xA003]) == (WIDTH, HEIGHT)
        xmp = new.info.get("xmp", b"")
        assert b"a camera" in (xmp.encode() if isinstance(xmp, str) else xmp)
        assert b'tiff:Orientation="6"' not in (xmp.encode() if isinstance(xmp, str) else xmp)
        if suffix == ".jpg":
            assert isinstance(new, JpegImageFile)
            assert isinstance(old, JpegImageFile)
            assert b"a caption." in dict(new.applist)["APP13"]
            assert sum(new.quantization[0]) <= sum(old.quantization[0])
            assert get_sampling(new) == 0, "chroma has all pixels"


@pytest.mark.parametrize("suffix", ORIENTED)
def test_metadata_can_be_left_out(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(described(suffix))
    written = process(path, tmp_path / "out", strip=True)
    for secret in (b"somebody", b"a camera", b"maker", b"a caption."):
        assert secret not in written.read_bytes()
    with Image.open(written) as new:
        assert not new.getexif().get_ifd(GPS)
        assert "icc_profile" not in new.info
    assert np.abs(read_image(written)[..., ::-1].astype(int) - photo()).mean() <= LOSSY


def test_keeps_texts_as_they_are(tmp_path: Path) -> None:
    exif = Image.Exif()
    texts = {0x8298: "© 2024 Jörg Müller".encode(), ARTIST: "名前".encode()}
    for tag, text in texts.items():
        exif[tag] = text
    for format, name in (("JPEG", "a.jpg"), ("PNG", "a.png"), ("WEBP", "a.webp")):
        (tmp_path / name).write_bytes(saved(format, exif=exif.tobytes()))
        written = process(tmp_path / name, tmp_path / "out").read_bytes()
        assert all(text in written for text in texts.values())


def test_a_bigtiff_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(photo(), bigtiff=True, photometric="rgb", description="a text"))
    written = process(path, tmp_path / "out")
    np.testing.assert_array_equal(read_image(written)[..., ::-1], photo())
    assert b"a text" in written.read_bytes()


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif"])
def test_transparency_is_turned_with_the_picture(
    suffix: str, orientation: int, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = turned(orientation).convert("RGBA")
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[:12, :30] = 200
    as_stored = {1: alpha, 3: np.rot90(alpha, 2), 6: np.rot90(alpha)}
    image.putalpha(Image.fromarray(as_stored.get(orientation, np.rot90(alpha, 2).T).copy()))
    path = tmp_path / f"a{suffix}"
    path.write_bytes(ORIENTED[suffix](image, exif))
    with Image.open(process(path, tmp_path / "out")) as new:
        kept = np.asarray(new.convert("RGBA").getchannel("A")).astype(int)
    assert kept.shape == alpha.shape
    assert np.abs(kept - alpha).mean() < 3


def test_transparency_of_16_bits_is_kept(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 1 << 16, (HEIGHT, WIDTH, 4), np.uint16)
    noise[..., 3] = 20_000
    path = tmp_path / "a.png"
    path.write_bytes(opencv(".png", noise))
    with Image.open(process(path, tmp_path / "out")) as new:
        assert np.unique(np.asarray(new.getchannel("A"))).tolist() == [78]


@pytest.mark.parametrize("name", ["alpha.png", "alpha.webp", "alpha.tif", "alpha.avif"])
def test_keeps_transparency_where_nothing_is_drawn(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(KINDS[name][0]())
    [source] = expand_sources([str(path)])
    with open_sink(source, tmp_path / "out") as sink:
        for frame in frames_from(source):
            frame.image[10:20, 5:15] = (0, 0, 255)
            sink.write(frame)
    with Image.open(tmp_path / "out" / source.output) as new:
        alpha = np.asarray(new.convert("RGBA").getchannel("A")).astype(int)
        drawn = np.asarray(new.convert("RGBA"))[12:18, 7:13]
    before = np.asarray(with_alpha().getchannel("A")).astype(int)
    assert (alpha[10:20, 5:15] > 250).all()
    assert np.abs(drawn[..., :3].astype(int) - (255, 0, 0)).mean() < 40
    before[10:20, 5:15] = alpha[10:20, 5:15]
    assert np.abs(alpha - before).max() <= 4


def test_an_animated_png_is_a_moving_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    first, *others = (Image.fromarray(np.roll(photo(), 9 * shift, 1)) for shift in range(3))
    first.save(path, save_all=True, append_images=others, duration=[100, 250, 400])
    [source] = expand_sources([str(path)])
    assert (source.kind, source.output.name) == ("video", "a.png")
    frames = list(frames_from(source))
    assert [frame.time for frame in frames] == [Fraction(0), Fraction(1, 10), Fraction(7, 20)]
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image[..., ::-1], np.roll(photo(), 9 * number, 1))
