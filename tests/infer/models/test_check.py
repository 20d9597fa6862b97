"""Model files are checked before a runtime reads them: each of these is the tiny network with a
few bytes changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from protobuf_bytes import (
    build,
    field,
    only_fields,
    parse,
    varint,
    with_added,
    with_changed,
    with_replaced,
    without,
)
from tiny_models import MODELS, SIZE

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.detection.yunet import YuNetDetector
from fkd_infer.errors import DetectorError, FkdError, InvalidModelError, WrongTaskError
from fkd_infer.models import check
from fkd_infer.models.check import check_model
from fkd_infer.models.shipped import shipped_models
from fkd_infer.models.tensors import TensorInfo
from fkd_infer.runtime.session import LandmarkSession

FIXED = (MODELS / "fixed.onnx").read_bytes()
GRAPH, NODE, INITIALIZER, INPUT, OUTPUT = 7, 1, 5, 11, 12
OP_TYPE, ATTRIBUTE, DOMAIN = 4, 5, 7
OPSET, METADATA = 8, 14
EXTERNAL = field(14, 1)
_MICROSOFT = "com.microsoft"


def entry(key: str, value: str, number: int = 13) -> bytes:
    """A key and value of external data or metadata."""
    return field(number, field(1, key.encode()) + field(2, value.encode()))


def opset(domain: str, version: int) -> bytes:
    return field(OPSET, field(1, domain.encode()) + field(2, version))


def node(op: str, domain: str = "", *attributes: bytes) -> bytes:
    name = field(1, b"x") + field(2, b"y") + field(OP_TYPE, op.encode())
    place = field(DOMAIN, domain.encode()) if domain else b""
    return field(NODE, name + place + b"".join(field(ATTRIBUTE, one) for one in attributes))


def tensor(*fields: bytes, kind: int = 1, name: bytes = b"w") -> bytes:
    return field(2, kind) + field(8, name) + b"".join(fields)


def with_tensor(*fields: bytes, kind: int = 1) -> bytes:
    return with_added(FIXED, [GRAPH], field(INITIALIZER, tensor(*fields, kind=kind)))


def with_node(op: str, domain: str = "", *attributes: bytes) -> bytes:
    return with_added(FIXED, [GRAPH], node(op, domain, *attributes))


def stored_in(location: str, *more: bytes) -> bytes:
    """The network with four more floats, in another file."""
    return with_tensor(field(1, 4), EXTERNAL, entry("location", location), *more)


def nested(depth: int) -> bytes:
    """The network with graphs nested in attributes."""
    graph = b""
    for _ in range(depth):
        graph = node("Relu", "", field(1, b"body") + field(6, graph))
    return with_node("Relu", "", field(1, b"body") + field(6, graph))


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "text": (b"hello, this is no model", "wire type|truncated"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), "a field without a number"),
    "no field number": (bytes(40), "a field without a number"),
    "half": (FIXED[: len(FIXED) // 2], "truncated"),
    "one byte less": (FIXED[:-1], "truncated"),
    "a length beyond the end": (FIXED + varint(15 << 3 | 2) + varint(1 << 60), "truncated"),
    "a number without an end": (FIXED + b"\x78" + b"\xff" * 11, "in the middle of a number"),
    "a group": (FIXED + varint(15 << 3 | 3), "wire type 3"),
    "a graph that is a number": (with_replaced(FIXED, [GRAPH], 5), "field 7 has the wire type 0"),
    "no graph": (without(FIXED, GRAPH), "no ONNX file"),
    "two graphs": (FIXED + field(GRAPH, b""), "two graphs"),
    "functions": (FIXED + field(25, field(1, b"f")), "training steps or functions"),
    "training": (FIXED + field(20, b""), "training steps or functions"),
    "an old format": (with_replaced(FIXED, [1], 2), "ir_version is 2, but only 3 to 14 can"),
    "a format to come": (with_replaced(FIXED, [1], 99), "ir_version is 99"),
    "a format below zero": (with_replaced(FIXED, [1], -1), "ir_version is -1"),
    "an opset to come": (
        with_replaced(FIXED, [OPSET, 2], 1000),
        "opset is 1000, but only 6 to 28 can",
    ),
    "no opset": (without(FIXED, OPSET), "opset is 0"),
    "an opset of ONNX Runtime to come": (
        with_node("FusedConv", _MICROSOFT) + opset(_MICROSOFT, 2),
        "opset of com.microsoft is 2, but only 1 can be read",
    ),
    "an unknown operator": (with_node("Launch"), "operator 'Launch' is not allowed"),
    "an operator of nobody's": (
        with_node("Relu", "evil.example"),
        "'Relu' of 'evil.example' is not allowed",
    ),
    "Python": (with_node("PyOp", "ai.onnx.contrib"), "'PyOp'"),
    "a loop": (with_node("Loop"), "'Loop' is not allowed: only end-to-end files branch or loop"),
    "a branch": (with_node("If"), "'If' is not allowed: only end-to-end files branch or loop"),
    "random numbers": (with_node("RandomNormal"), "'RandomNormal'"),
    "sequences": (with_node("SequenceConstruct"), "'SequenceConstruct'"),
    "strings": (with_node("StringConcat"), "'StringConcat'"),
    "an operator of control characters": (with_node("\x1b[2J"), r"'\\x1b\[2J'"),
    "a long operator": (with_node("A" * 5000), "a text of 5000 bytes, but at most 1000"),
    "an operator that is no text": (
        with_replaced(FIXED, [GRAPH, NODE, OP_TYPE], b"\xff\xfe"),
        "not UTF-8",
    ),
    "graphs in graphs": (nested(50), "nested more than 8 deep"),
    "an attribute with a type": (with_node("Relu", "", field(14, b"")), "attribute of a type"),
    "sparse weights": (with_added(FIXED, [GRAPH], field(15, b"")), "sparse weights"),
    "more numbers than are there": (with_tensor(field(1, 1 << 40)), "1099511627776 numbers"),
    "fewer bytes than a shape": (
        with_tensor(field(1, 4), field(9, bytes(15))),
        "has 16 bytes, but stores",
    ),
    "more bytes than a shape": (
        with_tensor(field(1, 4), field(9, bytes(17))),
        "has 16 bytes, but stores",
    ),
    "a shape below zero": (with_tensor(field(1, -4), field(9, b"")), "the shape"),
    "a shape of a hundred sides": (with_tensor(*[field(1, 1)] * 100), "16 dimensions"),
    "text for weights": (with_tensor(field(1, 1), field(6, b"x"), kind=8), "of strings"),
    "weights of an unknown type": (with_tensor(field(1, 1), field(9, b"x"), kind=77), "type 77"),
    "no outputs": (with_changed(FIXED, [GRAPH], lambda graph: without(graph, OUTPUT)), "0 outputs"),
    "forty outputs": (
        with_changed(FIXED, [GRAPH], lambda graph: graph + 40 * only_fields(graph, OUTPUT)),
        "41 outputs",
    ),
    "two outputs of one name": (
        with_changed(FIXED, [GRAPH], lambda graph: graph + only_fields(graph, OUTPUT)),
        "two of its outputs have the same name",
    ),
    "an input that is no tensor": (
        with_replaced(FIXED, [GRAPH, INPUT, 2], field(4, b"")),
        "'image' is no tensor",
    ),
    "an input with a line end in its name": (
        with_replaced(FIXED, [GRAPH, INPUT, 1], b"im\nage"),
        r"'im\\nage'.*cannot be shown",
    ),
    "an input of text": (with_replaced(FIXED, [GRAPH, INPUT, 2, 1, 1], 8), r"tensor\(type 8\)"),
    "an input of floats": (with_replaced(FIXED, [GRAPH, INPUT, 2, 1, 1], 1), "its card says"),
    "an input of another name": (
        with_replaced(FIXED, [GRAPH, INPUT, 1], b"picture"),
        "its card says",
    ),
    "two cards": (FIXED + entry("fkd", "{}", METADATA), "'fkd' twice"),
    "much metadata": (
        FIXED + b"".join(entry(str(number), "", METADATA) for number in range(200)),
        "more than 100 entries",
    ),
    "long metadata": (
        FIXED + entry("x", "y" * (2 << 20), METADATA),
        "2097152 bytes, but at most 1048576",
    ),
    "weights nowhere": (with_tensor(field(1, 4), EXTERNAL), "'', which is no file name"),
    "weights at an absolute path": (
        stored_in("/etc/passwd"),
        "'/etc/passwd', which is an absolute",
    ),
    "weights at a path of Windows": (stored_in("C:\\secret"), "is an absolute path"),
    "weights on another machine": (stored_in("\\\\host\\share"), "is an absolute path"),
    "weights in the folder above": (stored_in("../secret"), "leads out of the model's folder"),
    "weights above, in disguise": (stored_in("a/../../secret"), "leads out of the model's folder"),
    "weights above, with other slashes": (stored_in("..\\secret"), "leads out"),
    "weights in memory": (stored_in("*/_ORT_MEM_ADDR_/*"), "an address in memory"),
    "weights at a name with a zero": (stored_in("a\0b"), "is no file name"),
    "weights in a missing file": (stored_in("nosuch"), "'nosuch', which cannot be read: No such"),
    "weights in a folder": (stored_in("."), "which cannot be read: it is a folder"),
    "weights that an attribute keeps elsewhere": (
        with_node(
            "Constant", "", field(5, tensor(field(1, 4), EXTERNAL, entry("location", "/x")))
        ),
        "'/x', which is an absolute",
    ),
    "weights that a graph in a graph keeps elsewhere": (
        with_node(
            "If",
            "",
            field(6, field(INITIALIZER, tensor(field(1, 4), entry("location", "../x")))),
        ),
        "'../x', which leads out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_an_invalid_file_raises_with_one_line(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidModelError, match=message) as caught:
        LandmarkSession(path, "cpu")
    text = str(caught.value)
    assert text.startswith(f"{path}: not a usable model: ")
    assert text.isprintable()
    assert len(text) < 1500
    assert "fkd-export" in text or "its card says" in text


@pytest.mark.parametrize("open_", [FkdDetector, YuNetDetector])
def test_detector_files_are_checked(open_: Callable[..., object], tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    detector = (MODELS / "detector.onnx").read_bytes()
    for content in (
        detector[:-1],
        with_added(detector, [GRAPH], node("Launch")),
        stored_in("/etc/passwd"),
    ):
        path.write_bytes(content)
        with pytest.raises((InvalidModelError, DetectorError), match=r"bad\.onnx") as caught:
            open_(path)
        assert str(caught.value).isprintable()
        assert "not a usable model" in str(caught.value)


def test_every_truncated_file_raises(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    for size in range(0, len(FIXED), 7):
        path.write_bytes(FIXED[:size])
        with pytest.raises(FkdError) as caught:
            LandmarkSession(path, "cpu")
        assert "\n" not in str(caught.value)


def test_changed_bytes_pass_or_raise(tmp_path: Path) -> None:
    path = tmp_path / "changed.onnx"
    rng = np.random.default_rng(0)
    rejected = 0
    for place in rng.choice(len(FIXED), 300, replace=False):
        content = bytearray(FIXED)
        content[place] ^= int(rng.integers(1, 256))
        path.write_bytes(content)
        with suppress(InvalidModelError):
            check_model(path)
            continue
        rejected += 1
    assert rejected > 50


@pytest.mark.parametrize("path", [*shipped_models().values(), *shipped_models(True).values()])
def test_shipped_models_pass(path: Path) -> None:
    file = check_model(path)
    assert [tensor.name for tensor in file.inputs] == ["image"]
    assert "fkd" in file.metadata
    assert file.opsets[""] == 18


def test_reads_the_same_signature_as_onnx_runtime(fixed_model: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(fixed_model, providers=["CPUExecutionProvider"])
    file = check_model(fixed_model)
    for tensors, nodes in (
        (file.inputs, session.get_inputs()),
        (file.outputs, session.get_outputs()),
    ):
        assert list(tensors) == [TensorInfo(n.name, n.type, tuple(n.shape)) for n in nodes]
    assert file.metadata == session.get_modelmeta().custom_metadata_map


@pytest.mark.parametrize("level", ["BASIC", "EXTENDED", "ALL"])
@pytest.mark.parametrize("name", ["fkdnet", "fkdnet-int8", "fkd-detector", "fkd-detector-int8"])
def test_graphs_optimized_by_onnx_runtime_pass(name: str, level: str, tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}"
    )
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "graph.onnx")
    model = (shipped_models() | shipped_models(detectors=True))[name]
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    assert check_model(tmp_path / "graph.onnx").metadata == check_model(model).metadata


def test_operators_inside_loops_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "loop.onnx"
    path.write_bytes(with_node("Loop", "", field(6, node("Launch"))))
    with pytest.raises(InvalidModelError, match="operator 'Launch' is not allowed"):
        check_model(path)
    path.write_bytes(with_node("Loop", "", field(6, node("Relu"))))
    assert {("", "Loop"), ("", "Relu")} < check_model(path).operators


@pytest.mark.parametrize("open_", [LandmarkSession, FkdDetector])
def test_an_end_to_end_file_is_reported_as_one(
    open_: Callable[..., object], tmp_path: Path
) -> None:
    """Its loops are not the problem that a user can solve."""
    path = tmp_path / "faces.onnx"
    card = b'{"task": "end-to-end", "version": 1}'
    path.write_bytes(with_replaced(with_node("Loop"), [METADATA, 2], card))
    with pytest.raises(WrongTaskError, match="finds faces and places points"):
        open_(path)


def test_external_weights_are_allowed(tmp_path: Path) -> None:
    """ONNX Runtime reads them from where they were checked."""
    (tmp_path / "weights").mkdir()

    def moved(number: int, value: Any) -> Any:
        raw = next((v for n, _, v in parse(value) if n == 9), b"") if number == INITIALIZER else b""
        if not isinstance(raw, bytes) or b"offset" not in value:
            return value
        (tmp_path / "weights" / "w.bin").write_bytes(bytes(64) + raw)
        pairs = [("location", "weights/w.bin"), ("offset", "64"), ("length", str(len(raw)))]
        return without(value, 9) + EXTERNAL + b"".join(entry(*pair) for pair in pairs)

    path = tmp_path / "model.onnx"
    path.write_bytes(
        with_changed(
            FIXED, [GRAPH], lambda graph: build([(n, w, moved(n, v)) for n, w, v in parse(graph)])
        )
    )
    assert (tmp_path / "weights" / "w.bin").stat().st_size == 64 + 68 * 2 * 4
    crops = np.zeros((2, SIZE, SIZE, 1), np.uint8)
    expected = LandmarkSession(MODELS / "fixed.onnx", "cpu").run(crops).points
    np.testing.assert_array_equal(LandmarkSession(path, "cpu").run(crops).points, expected)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([entry("length", "16")], None),
        ([entry("offset", "4")], "ends at byte 20 of 'w.bin', which has 16 bytes"),
        ([entry("length", "8")], "has 16 bytes, but length is 8"),
        ([entry("offset", "-4")], "the offset or length '-4'"),
        ([entry("offset", "9" * 30)], "has the offset or length"),
        ([entry("offset", "1e3")], "has the offset or length"),
        ([entry("location", "w.bin")], "'location' twice"),
    ],
)
def test_external_weights_must_match_their_tensors(
    more: list[bytes], message: str | None, tmp_path: Path
) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    path = tmp_path / "model.onnx"
    path.write_bytes(stored_in("w.bin", *more))
    if message is None:
        check_model(path)
        return
    with pytest.raises(InvalidModelError, match=message):
        check_model(path)


def test_links_out_of_the_folder_raise(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(16))
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    (folder / "circle").symlink_to(folder / "circle")
    path = folder / "model.onnx"
    for location, message in (
        ("link", "leads out of the model's folder"),
        ("up/secret", "leads out of the model's folder"),
        ("circle", "cannot be read"),
    ):
        path.write_bytes(stored_in(location))
        with pytest.raises(InvalidModelError, match=message):
            check_model(path)


def test_oversized_weight_files_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(stored_in("w.bin"))
    (tmp_path / "w.bin").touch()
    os.truncate(tmp_path / "w.bin", check.MAX_FILE_BYTES + 1)
    with pytest.raises(
        InvalidModelError, match=r"'w\.bin', which has 1073741825 bytes, but at most"
    ):
        check_model(path)


def test_initializers_may_also_be_inputs(tmp_path: Path) -> None:
    shape = field(1, field(1, 4))
    port = field(1, b"w") + field(2, field(1, field(1, 1) + field(2, shape)))
    path = tmp_path / "old.onnx"
    path.write_bytes(
        with_added(with_tensor(field(1, 4), field(9, bytes(16))), [GRAPH], field(11, port))
    )
    assert [tensor.name for tensor in check_model(path).inputs] == ["image"]


def test_unknown_fields_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "new.onnx"
    path.write_bytes(FIXED + field(200, b"new") + field(201, 7) + varint(202 << 3 | 5) + bytes(4))
    assert check_model(path) == check_model(MODELS / "fixed.onnx")
