"""Writes a software bill of materials for each runtime: `python -m tools.sbom OUT_FOLDER`.

cyclonedx-py lists the packages of the hashed requirements, with the sha256 of their files, and the
licences of the installed packages. This adds fkd itself and the models in the wheel, each with its
sha256 and licence. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import onnxruntime
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import fkd_infer
from fkd_infer.system.files.reading import file_sha256
from tools.pins import REQUIREMENTS, ROOT, read_pins

RUNTIMES = ("runtime-cpu", "runtime-gpu")
_VERSION = fkd_infer.__version__


def write_sboms(folder: Path, epoch: int) -> list[Path]:
    """Writes an SBOM for each runtime, dated `epoch` (seconds since 1970); returns the paths."""
    licences = _installed_licences()
    paths = []
    for runtime in RUNTIMES:
        path = folder / f"fkd-{_VERSION}-{runtime.removeprefix('runtime-')}.cdx.json"
        path.write_text(sbom(runtime, epoch, licences), encoding="utf-8")
        paths.append(path)
    return paths


def sbom(runtime: str, epoch: int, licences: dict[str, Any] | None = None) -> str:
    """Builds the SBOM of a runtime as CycloneDX 1.6 JSON, reproducibly.

    Raises ValueError if it does not follow the schema.
    """
    requirements = REQUIREMENTS / f"{runtime}.txt"
    document = _cyclonedx("requirements", requirements, "--pyproject", ROOT / "pyproject.toml")
    licences = _installed_licences() if licences is None else licences
    markers = {pin.name: pin.marker for pin in read_pins(requirements)}
    components = [
        _package(component, markers[component["name"]], licences)
        for component in document["components"]
    ]
    components += [_model(path) for path in shipped_models()]
    references = sorted(component["bom-ref"] for component in components)
    root = document["metadata"]["component"]
    root |= {"bom-ref": "fkd", "version": _VERSION, "purl": f"pkg:pypi/fkd@{_VERSION}"}
    document["metadata"]["timestamp"] = datetime.fromtimestamp(epoch, UTC).isoformat()
    serial = uuid5(NAMESPACE_URL, f"fkd {_VERSION} {runtime} {references}")
    document |= {
        "serialNumber": serial.urn,
        "components": components,
        "dependencies": [{"ref": "fkd", "dependsOn": references}]
        + [{"ref": reference} for reference in references],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        raise ValueError(f"the SBOM of {runtime} does not follow the CycloneDX schema: {error}")
    return text + "\n"


def shipped_models() -> list[Path]:
    """Returns the models in the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    files = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    return [ROOT / name for name in files if name.endswith(".onnx")]


def _cyclonedx(command: str, *arguments: str | Path) -> Any:
    """Reads the document that a command of cyclonedx-py prints; raises CalledProcessError."""
    options = ["--short-PURLs", "--output-reproducible", "--no-validate", "--spec-version", "1.6"]
    # All arguments come from this file.
    result = subprocess.run(  # nosec B603
        [sys.executable, "-m", "cyclonedx_py", command, *options, *map(str, arguments)],
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(result.stdout)


def _installed_licences() -> dict[str, Any]:
    """Reads the first licence that each installed package declares, by package URL."""
    # Without texts, packages such as protobuf, whose licence is no SPDX name, would have none.
    document = _cyclonedx("environment", "--gather-license-texts", sys.executable)
    return {
        # torch's CPU build, 2.13.0+cpu, has the licence of 2.13.0.
        component["purl"].partition("%2B")[0]: component["licenses"][:1]
        for component in document["components"]
        if "licenses" in component and "purl" in component
    }


def _package(
    component: dict[str, Any], marker: str | None, licences: dict[str, Any]
) -> dict[str, Any]:
    """Completes a component of cyclonedx-py by its package URL, licences and marker."""
    purl = component["purl"]
    # The description repeats the line with all its hashes.
    completed = {key: value for key, value in component.items() if key != "description"}
    completed["bom-ref"] = purl
    if purl in licences:
        completed["licenses"] = licences[purl]
    if marker is not None:
        completed["properties"] = [{"name": "fkd:needed-where", "value": marker}]
    return completed


def _model(path: Path) -> dict[str, Any]:
    """Describes a shipped model as a component, by its card."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["fkd"])
    return {
        "bom-ref": f"model:{path.name}",
        "type": "machine-learning-model",
        "name": path.name,
        "version": _VERSION,
        "description": f"{card['architecture']}, {card['precision']}, opset {card['opset']}",
        "licenses": [{"license": {"name": card["licence"]}}],
        "hashes": [{"alg": "SHA-256", "content": file_sha256(path)}],
    }


def main(arguments: Sequence[str]) -> int:
    """Writes the SBOMs into a folder, dated SOURCE_DATE_EPOCH, or 1970 if that is not set."""
    if len(arguments) != 1:
        print("usage: python -m tools.sbom OUT_FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for path in write_sboms(folder, int(os.environ.get("SOURCE_DATE_EPOCH", "0"))):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
