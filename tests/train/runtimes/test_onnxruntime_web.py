"""onnxruntime-web is found where Node finds packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from fkd_infer.errors import InstallError
from fkd_train.runtimes.onnxruntime_web import OnnxRuntimeWeb


def install(node_modules: Path, version: str) -> None:
    folder = node_modules / "onnxruntime-web"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(f'{{"version": "{version}"}}')


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.delenv("FKD_NODE_MODULES", raising=False)
    monkeypatch.delenv("NODE_PATH", raising=False)
    monkeypatch.chdir(tmp_path)


def test_folders_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "node_modules", "1.1")
    assert OnnxRuntimeWeb().version() == "1.1"
    install(tmp_path / "path", "1.2")
    monkeypatch.setenv("NODE_PATH", f"{tmp_path / 'none'}:{tmp_path / 'path'}")
    assert OnnxRuntimeWeb().version() == "1.2"
    install(tmp_path / "own", "1.3")
    monkeypatch.setenv("FKD_NODE_MODULES", str(tmp_path / "own"))
    assert OnnxRuntimeWeb().version() == "1.3"
    command = OnnxRuntimeWeb().command(Path("model.onnx"), Path("folder"))
    assert command[0] == "/bin/node"
    assert command[2] == str(tmp_path / "own" / "onnxruntime-web")
    assert Path(command[1]).is_file()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fkd_train.runtimes.onnxruntime_web._module_folders", lambda: iter(()))
    with pytest.raises(InstallError, match="npm install onnxruntime-web"):
        OnnxRuntimeWeb().version()
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(InstallError, match="node is not installed"):
        OnnxRuntimeWeb().version()
