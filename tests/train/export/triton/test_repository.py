"""Triton's model repository, read with the server's own schema."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]
from repo_paths import DOCS
from tiny_models import MODELS, SIZE, card
from tritonclient import grpc  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]

from fkd_infer.choices import DEFAULT_MODEL, MIN_PRESENCE
from fkd_infer.errors import InvalidModelError, ModelCardError, OutputError
from fkd_infer.loading import load
from fkd_infer.media.images.file import read_image
from fkd_infer.media.images.writing import write_image
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.landmark import LandmarkAccuracy, ModelCard
from fkd_infer.models.shipped import find_model
from fkd_train.errors import TritonConfigError
from fkd_train.export.triton.config import check_config, config_text
from fkd_train.export.triton.repository import write_repository
from fkd_train.export.triton.serving import Serving, TensorRt

FIXED, SCORED = MODELS / "fixed.onnx", MODELS / "scored.onnx"
UINT8, FP32 = model_config_pb2.TYPE_UINT8, model_config_pb2.TYPE_FP32


def parsed(config: Path) -> Any:
    """The server's own message; unknown fields and values raise."""
    return text_format.Parse(config.read_text("utf-8"), model_config_pb2.ModelConfig())


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_repository(tmp_path / "repository", [FIXED, SCORED])
    return tmp_path / "repository"


def test_writes_a_configuration_and_a_first_version_of_each_model(tmp_path: Path) -> None:
    folders = write_repository(tmp_path, [FIXED, SCORED])
    assert folders == [tmp_path / "fixed" / "1", tmp_path / "scored" / "1"]
    assert files(tmp_path) == {
        f"{name}/{file}"
        for name in ("fixed", "scored")
        for file in ("config.pbtxt", "1/model.onnx")
    }
    assert (tmp_path / "scored" / "1" / "model.onnx").read_bytes() == SCORED.read_bytes()


def test_the_configuration_equals_one_written_by_hand(tmp_path: Path) -> None:
    text = """
name: "scored"
backend: "onnxruntime"
max_batch_size: 64
version_policy { latest { num_versions: 1 } }
input [
  { name: "image" data_type: TYPE_UINT8 dims: [ 16, 16, 1 ] }
]
output [
  { name: "points" data_type: TYPE_FP32 dims: [ 68, 2 ] },
  { name: "score" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }
]
dynamic_batching { preferred_batch_size: [ 8, 32 ] max_queue_delay_microseconds: 500 }
instance_group [ { kind: KIND_CPU count: 1 } ]
model_warmup [
  { name: "batch of 1" batch_size: 1 inputs { key: "image" value {
    data_type: TYPE_UINT8 dims: [ 16, 16, 1 ] zero_data: true } } },
  { name: "batch of 8" batch_size: 8 inputs { key: "image" value {
    data_type: TYPE_UINT8 dims: [ 16, 16, 1 ] zero_data: true } } },
  { name: "batch of 32" batch_size: 32 inputs { key: "image" value {
    data_type: TYPE_UINT8 dims: [ 16, 16, 1 ] zero_data: true } } }
]
parameters { key: "intra_op_thread_count" value { string_value: "0" } }
"""
    by_hand = text_format.Parse(text, model_config_pb2.ModelConfig())
    scored = card(score=True)
    by_hand.parameters["fkd"].string_value = scored.to_json()
    (tmp_path / "config.pbtxt").write_text(config_text("scored", scored, Serving()), "utf-8")
    assert parsed(tmp_path / "config.pbtxt") == by_hand


def test_configures_inputs_and_outputs(repository: Path) -> None:
    config = parsed(repository / "scored" / "config.pbtxt")
    assert (config.name, config.backend, config.max_batch_size) == ("scored", "onnxruntime", 64)
    (image,) = config.input
    assert (image.name, image.data_type, image.dims) == ("image", UINT8, [SIZE, SIZE, 1])
    points, score = config.output
    assert (points.name, points.data_type, points.dims) == ("points", FP32, [68, 2])
    assert not points.HasField("reshape")
    assert (score.name, score.data_type, score.dims) == ("score", FP32, [1])
    assert score.HasField("reshape")
    assert score.reshape.shape == []


def test_configures_only_points_without_a_score(repository: Path) -> None:
    config = parsed(repository / "fixed" / "config.pbtxt")
    assert [output.name for output in config.output] == ["points"]


def test_configures_batching_and_warm_up(repository: Path) -> None:
    config = parsed(repository / "scored" / "config.pbtxt")
    assert config.version_policy.latest.num_versions == 1
    assert config.dynamic_batching.preferred_batch_size == [8, 32]
    assert config.dynamic_batching.max_queue_delay_microseconds == 500
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 8, 32]
    for warmup in config.model_warmup:
        image = warmup.inputs["image"]
        assert (image.data_type, image.dims, image.zero_data) == (UINT8, [SIZE, SIZE, 1], True)
    (group,) = config.instance_group
    assert (group.kind, group.count) == (model_config_pb2.ModelInstanceGroup.KIND_CPU, 1)
    assert config.parameters["intra_op_thread_count"].string_value == "0"


def test_serving_options_reach_the_configuration(tmp_path: Path) -> None:
    serving = Serving(gpu=True, threads=3, largest=16, preferred=(1, 4), delay_us=70)
    write_repository(tmp_path, [FIXED], serving)
    config = parsed(tmp_path / "fixed" / "config.pbtxt")
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    assert config.parameters["intra_op_thread_count"].string_value == "3"
    assert config.max_batch_size == 16
    assert config.dynamic_batching.preferred_batch_size == [1, 4]
    assert config.dynamic_batching.max_queue_delay_microseconds == 70
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 4]


def test_tensorrt_is_configured_as_its_backend_documents_it(tmp_path: Path) -> None:
    """The keys are those of README.md in triton-inference-server/onnxruntime_backend."""
    text = """
optimization { execution_accelerators {
  gpu_execution_accelerator : [ {
    name : "tensorrt"
    parameters { key: "precision_mode" value: "FP16" }
    parameters { key: "max_workspace_size_bytes" value: "1073741824" }
    parameters { key: "trt_engine_cache_enable" value: "1" }
    parameters { key: "trt_engine_cache_path" value: "/engines" }
  } ]
} }
"""
    tensorrt = TensorRt("fp16", 1 << 30, "/engines")
    write_repository(tmp_path, [FIXED], Serving(gpu=True, tensorrt=tensorrt))
    config = parsed(tmp_path / "fixed" / "config.pbtxt")
    by_hand = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert config.optimization == by_hand.optimization
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    # After the largest batch, no engine is built again for those between.
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 64, 8, 32]


def test_tensorrt_keeps_no_engines_without_a_folder(tmp_path: Path) -> None:
    write_repository(tmp_path, [FIXED], Serving(gpu=True, tensorrt=TensorRt()))
    accelerators = parsed(tmp_path / "fixed" / "config.pbtxt").optimization.execution_accelerators
    (tensorrt,) = accelerators.gpu_execution_accelerator
    assert set(tensorrt.parameters) == {"precision_mode", "max_workspace_size_bytes"}
    assert tensorrt.parameters["precision_mode"] == "FP32"


def test_cuda_alone_needs_no_accelerator(tmp_path: Path) -> None:
    write_repository(tmp_path, [FIXED], Serving(gpu=True))
    assert not parsed(tmp_path / "fixed" / "config.pbtxt").HasField("optimization")


def test_tensorrt_on_the_cpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TritonConfigError, match="accelerator 'tensorrt' needs an instance"):
        write_repository(tmp_path, [FIXED], Serving(tensorrt=TensorRt()))
    assert list(tmp_path.iterdir()) == []


WRONG_ACCELERATORS = {
    "name": ('name: "tensorrt"', 'name: "trt"', "its accelerator is 'trt', not tensorrt or cuda"),
    "precision": ('"FP16"', '"fp16"', "its precision_mode is 'fp16', not one of FP32, FP16"),
    "workspace": ('"1073741824"', '"1 GB"', "its max_workspace_size_bytes is '1 GB', not a number"),
    "no workspace": ('"1073741824"', '"0"', "its max_workspace_size_bytes is '0', not a number"),
    "cache": ('value: "1"', 'value: "yes"', "its trt_engine_cache_enable is 'yes', not one of 1"),
    "device": ("KIND_GPU", "KIND_CPU", "its accelerator 'tensorrt' needs an instance of KIND_GPU"),
}


@pytest.mark.parametrize("field", WRONG_ACCELERATORS)
def test_check_names_what_is_wrong_with_an_accelerator(tmp_path: Path, field: str) -> None:
    serving = Serving(gpu=True, tensorrt=TensorRt("fp16", engine_cache="/engines"))
    write_repository(tmp_path, [FIXED], serving)
    config = tmp_path / "fixed" / "config.pbtxt"
    right, wrong, why = WRONG_ACCELERATORS[field]
    text = config.read_text("utf-8")
    assert right in text
    config.write_text(text.replace(right, wrong, 1), "utf-8")
    with pytest.raises(TritonConfigError, match=why):
        check_config(config, FIXED)


def test_check_accepts_settings_of_cuda_on_any_device(tmp_path: Path) -> None:
    write_repository(tmp_path, [FIXED], Serving(gpu=True, tensorrt=TensorRt()))
    config = tmp_path / "fixed" / "config.pbtxt"
    text = config.read_text("utf-8").replace("  kind: KIND_GPU\n", "").replace("tensorrt", "cuda")
    config.write_text(text, "utf-8")
    check_config(config, FIXED)


def test_the_card_is_a_parameter(repository: Path) -> None:
    config = parsed(repository / "scored" / "config.pbtxt")
    text = config.parameters[METADATA_KEY].string_value
    assert ModelCard.from_json(text, "the server") == card(score=True)


def test_names_and_figures_stay_inside_comments(tmp_path: Path) -> None:
    measured = LandmarkAccuracy(nme=4.125, failure_rate_10=0.1, count=770, seed_mse=0.1)
    network = card()
    object.__setattr__(network, "name", 'a "\nmax_batch_size: 1')
    network.accuracy["official split"] = measured
    folder = tmp_path / 'ä"b'
    folder.mkdir()
    (folder / "config.pbtxt").write_text(config_text(folder.name, network, Serving()), "utf-8")
    check_config(folder / "config.pbtxt", FIXED)
    assert parsed(folder / "config.pbtxt").name == folder.name
    first, second, _ = (folder / "config.pbtxt").read_text("utf-8").split("\n", 2)
    assert first == '# a " max_batch_size: 1: 68 points, fp32, opset 18'
    assert second == "# official split: NME 4.12 % on 770 faces"


@pytest.mark.parametrize("name", ["fixed", "scored"])
def test_the_model_outputs_the_configured_shapes(repository: Path, name: str) -> None:
    """What the server does with the configuration, done by hand for each warm-up request."""
    config = parsed(repository / name / "config.pbtxt")
    session = onnxruntime.InferenceSession(repository / name / "1" / "model.onnx")
    for warmup in config.model_warmup:
        crops = {
            key: np.zeros([warmup.batch_size, *value.dims], np.uint8)
            for key, value in warmup.inputs.items()
        }
        answers = session.run([output.name for output in config.output], crops)
        for output, answer in zip(config.output, answers, strict=True):
            shape = output.reshape.shape if output.HasField("reshape") else output.dims
            assert answer.shape == (warmup.batch_size, *shape)
            assert answer.dtype == np.float32
            assert answer.reshape(warmup.batch_size, *output.dims).size == answer.size


def test_adds_no_version_for_an_unchanged_file(repository: Path) -> None:
    assert write_repository(repository, [FIXED]) == [repository / "fixed" / "1"]
    assert files(repository / "fixed") == {"config.pbtxt", "1/model.onnx"}


def test_adds_a_version_for_a_changed_file(repository: Path, tmp_path: Path) -> None:
    changed = tmp_path / "fixed.onnx"
    changed.write_bytes(SCORED.read_bytes())
    assert write_repository(repository, [changed]) == [repository / "fixed" / "2"]
    assert (repository / "fixed" / "1" / "model.onnx").read_bytes() == FIXED.read_bytes()
    assert (repository / "fixed" / "2" / "model.onnx").read_bytes() == SCORED.read_bytes()
    assert len(parsed(repository / "fixed" / "config.pbtxt").output) == 2


def test_ignores_folders_that_are_no_versions(repository: Path) -> None:
    for folder in ("9", "10", "011", "old", "12a"):
        (repository / "fixed" / folder).mkdir()
    (repository / "fixed" / "13").write_text("a file")
    assert write_repository(repository, [FIXED]) == [repository / "fixed" / "11"]


@pytest.mark.parametrize(
    ("bad", "error", "why"),
    [
        (MODELS / "no_card.onnx", ModelCardError, r"no_card\.onnx.*no fkd model card"),
        (MODELS / "wrong_output.onnx", InvalidModelError, r"wrong_output\.onnx.*its card says"),
        (FIXED, OutputError, r"fixed: cannot be written.*have the same name; rename one"),
    ],
)
def test_writes_nothing_if_one_file_is_bad(
    tmp_path: Path, bad: Path, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        write_repository(tmp_path, [FIXED, bad])
    assert list(tmp_path.iterdir()) == []


def test_reports_a_repository_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"config\.pbtxt: cannot be written: Not a directory"):
        write_repository(tmp_path / "file", [FIXED])


def test_a_full_disk_leaves_no_partial_model(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    monkeypatch.setattr(shutil, "copyfile", full)
    for model in (tmp_path / "fixed.onnx", tmp_path / "new.onnx"):
        model.write_bytes(SCORED.read_bytes())
        with pytest.raises(OutputError, match="cannot be written: No space left"):
            write_repository(repository, [model])
    after = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    assert after == before
    assert {path.name for path in repository.iterdir()} == {"fixed", "scored"}
    assert {path.name for path in (repository / "fixed").iterdir()} == {"config.pbtxt", "1"}


WRONG = {
    "its own name": (
        'name: "scored"',
        'name: "other"',
        "its name is 'other', its folder's 'scored'",
    ),
    "backend": ('"onnxruntime"', '"tensorrt"', "its backend is 'tensorrt'"),
    "no batches": ("size: 64", "size: 0", "its max_batch_size is 0, and must be 1 or more"),
    "preferred": ("[8, 32]", "[8, 65]", "its preferred_batch_size 65 is not from 1 to .*, 64"),
    "warm-up": ("batch_size: 32", "batch_size: 99", "its model_warmup 99 is not from 1"),
    "input name": ('name: "image"', 'name: "img"', "input 'img' is not in .* which has image"),
    "missing input": ('name: "image"', 'name: "img"', "input 'image' of the model is missing"),
    "input type": ("UINT8", "INT8", "input 'image' has data_type TYPE_INT8, the model TYPE_UINT8"),
    "input dims": ("[16, 16, 1]", "[1, 16, 16]", r"input 'image' has dims \[1, 16, 16\] after"),
    "output name": ('"points"', '"point"', "output 'point' is not in .* has points, score"),
    "missing output": ('"score"', '"x"', "output 'score' of the model is missing"),
    "output type": ("FP32", "FP16", "output 'points' has data_type TYPE_FP16, the model TYPE_FP32"),
    "output dims": ("[68, 2]", "[68, 3]", r"'points' has dims \[68, 3\] .* model \[68, 2\]"),
    "variable dims": ("[68, 2]", "[-1, 2]", r"'points' has dims \[-1, 2\] .* model \[68, 2\]"),
    "score's reshape": ("reshape {\n  }\n", "", r"'score' has dims \[1\] .* the model \[\]"),
    "score's dims": ("dims: [1]\n  reshape", "reshape", "output 'score' has no dims"),
    "another size": ("dims: [1]\n  reshape", "dims: [2]\n  reshape", r"\[2\], which cannot be"),
    "warm-up's name": ('key: "image"', 'key: "img"', "warm-up input 'img' is not in the model"),
    "no value": (
        "value {\n      data",
        "values {\n      data",
        "warm-up input 'image' has data_type TYPE_INVALID, the model TYPE_UINT8",
    ),
    "no text": ("output {", "output (", r"14:8 .*Expected \"{\""),
    "unknown type": ("TYPE_FP32", "TYPE_FP31", 'DataType" has no value named TYPE_FP31'),
}


@pytest.mark.parametrize("field", WRONG)
def test_check_names_the_wrong_field(repository: Path, field: str) -> None:
    config = repository / "scored" / "config.pbtxt"
    right, wrong, why = WRONG[field]
    text = config.read_text("utf-8")
    assert right in text
    config.write_text(text.replace(right, wrong, 1), "utf-8")
    with pytest.raises(TritonConfigError, match=rf"config\.pbtxt: does not fit .*\.onnx: .*{why}"):
        check_config(config, SCORED)


def test_check_compares_with_the_given_model(repository: Path) -> None:
    check_config(repository / "scored" / "config.pbtxt", SCORED)
    with pytest.raises(
        TritonConfigError, match="output 'score' is not in the model, which has points"
    ):
        check_config(repository / "scored" / "config.pbtxt", FIXED)


def test_check_reports_a_missing_configuration(tmp_path: Path) -> None:
    with pytest.raises(TritonConfigError, match=r"config\.pbtxt: .* No such file"):
        check_config(tmp_path / "config.pbtxt", FIXED)


def test_check_refuses_a_graph_with_a_fixed_batch(repository: Path, tmp_path: Path) -> None:
    model = onnx.load(FIXED)
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "one.onnx")
    with pytest.raises(
        TritonConfigError, match=r"'points' has no batch axis in the model: .*\[1, 68, 2"
    ):
        check_config(repository / "fixed" / "config.pbtxt", tmp_path / "one.onnx")


def test_check_refuses_a_file_that_is_no_model(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(InvalidModelError, match=r"text\.onnx: not a usable model"):
        check_config(repository / "fixed" / "config.pbtxt", tmp_path / "text.onnx")


def test_writes_nothing_for_invalid_serving_options(tmp_path: Path) -> None:
    with pytest.raises(TritonConfigError, match="preferred_batch_size 128"):
        write_repository(tmp_path, [FIXED], Serving(preferred=(128,)))
    assert list(tmp_path.iterdir()) == []


def test_the_client_in_the_docs_places_the_same_points_as_the_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the connection, which answers in the shapes of the configuration."""
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    monkeypatch.chdir(tmp_path)
    write_image(Path("photo.png"), data.astronaut()[..., ::-1].copy())
    (folder,) = write_repository(tmp_path / "repository", [find_model(DEFAULT_MODEL)])
    config = parsed(folder.parent / "config.pbtxt")
    session = onnxruntime.InferenceSession(folder / "model.onnx")

    class Connection:
        def __init__(self, url: str) -> None:
            assert url == "localhost:8001"

        def get_model_config(self, name: str) -> Any:
            assert name == config.name
            return SimpleNamespace(config=config)

        def infer(self, _name: str, inputs: list[Any]) -> Any:
            (image,) = inputs
            (asked,) = config.input
            assert (image.name(), image.datatype()) == (asked.name, "UINT8")
            assert image.shape()[1:] == list(asked.dims)
            crops = np.frombuffer(image._get_content(), np.uint8).reshape(image.shape())
            answers = session.run([output.name for output in config.output], {"image": crops})
            shaped = {
                output.name: answer.reshape(-1, *output.dims)
                for output, answer in zip(config.output, answers, strict=True)
            }
            return SimpleNamespace(as_numpy=shaped.get)

    monkeypatch.setattr(grpc, "InferenceServerClient", Connection)
    page = (DOCS / "how-to" / "triton.md").read_text("utf-8")
    code = page.partition("## A client")[2].partition("```python\n")[2].partition("```")[0]
    scope: dict[str, Any] = {}
    exec(compile(code.replace("photo.jpg", "photo.png"), "triton.md", "exec"), scope)
    pipeline = load(DEFAULT_MODEL, provider="cpu", refine=False)
    (face,) = pipeline(read_image(Path("photo.png")))
    assert face.presence is not None
    # The pipeline leaves out what the network takes for no face; the client says so.
    sure = scope["score"][:, 0] >= MIN_PRESENCE
    np.testing.assert_allclose(scope["points"][sure], face.points[None], atol=0.01)
    np.testing.assert_allclose(scope["score"][sure], [[face.presence]], atol=1e-4)
