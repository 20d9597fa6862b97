"""What a release is made of, as CycloneDX 1.6 JSON: `python -m tools.sbom OUT_FOLDER`.

One document for each runtime: fkd, the packages that the hashed requirements pin, with the sha256
of their files, and the models in the wheel, each with its sha256 and licence. Nothing is asked of
the network: licences are those that installed packages state, and the models' own cards.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageMetadata, PackageNotFoundError, distribution
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import onnxruntime
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

import fkd_infer
from fkd_infer.system.files.reading import file_sha256
from tools.pins import FOLDER, ROOT, Pin, read_pins

RUNTIMES = ("runtime-cpu", "runtime-gpu")
_SCHEMA = SchemaVersion.V1_6
_LICENCE_CLASSIFIER = "License :: "


def write_sboms(folder: Path, epoch: int) -> list[Path]:
    """Writes the documents of both runtimes, dated `epoch` (seconds since 1970); their paths."""
    written = []
    for runtime in RUNTIMES:
        kind = runtime.removeprefix("runtime-")
        path = folder / f"fkd-{fkd_infer.__version__}-{kind}.cdx.json"
        path.write_text(sbom(runtime, epoch), encoding="utf-8")
        written.append(path)
    return written


def sbom(runtime: str, epoch: int) -> str:
    """The document of a runtime, the same for the same inputs; raises ValueError where it does not
    hold to the schema."""
    root = Component(
        name="fkd",
        type=ComponentType.APPLICATION,
        version=fkd_infer.__version__,
        bom_ref="fkd",
        purl=PackageURL("pypi", name="fkd", version=fkd_infer.__version__),
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )
    parts = [_package(pin) for pin in read_pins(FOLDER / f"{runtime}.txt")]
    parts += [_model(path) for path in shipped_models()]
    bom = Bom(components=parts)
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    named = sorted(f"{part.bom_ref.value}" for part in parts)
    bom.serial_number = uuid5(NAMESPACE_URL, f"fkd {fkd_infer.__version__} {runtime} {named}")
    bom.register_dependency(root, parts)
    text: str = make_outputter(bom, OutputFormat.JSON, _SCHEMA).output_as_string(indent=2)
    wrong = JsonStrictValidator(_SCHEMA).validate_str(text)
    if wrong is not None:
        raise ValueError(f"the SBOM of {runtime} does not hold to CycloneDX: {wrong}")
    return text + "\n"


def shipped_models() -> list[Path]:
    """The models that the wheel carries."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    return [ROOT / name for name in carried if name.endswith(".onnx")]


def _package(pin: Pin) -> Component:
    url = PackageURL("pypi", name=pin.name, version=pin.version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(url)),
        comment="any one of these files",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in pin.hashes],
    )
    marker = [] if pin.marker is None else [Property(name="fkd:needed-where", value=pin.marker)]
    return Component(
        name=pin.name,
        type=ComponentType.LIBRARY,
        version=pin.version,
        bom_ref=str(url),
        purl=url,
        licenses=_licences(pin),
        external_references=[files],
        properties=marker,
    )


def _model(path: Path) -> Component:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["fkd"])
    return Component(
        name=path.name,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        version=fkd_infer.__version__,
        bom_ref=f"model:{path.name}",
        description=f"{card['architecture']}, {card['precision']}, opset {card['opset']}",
        licenses=[DisjunctiveLicense(name=card["licence"])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file_sha256(path))],
    )


def _licences(pin: Pin) -> list[License]:
    """What the installed package of the same version says; nothing where it is not installed."""
    try:
        installed: Distribution = distribution(pin.name)
    except PackageNotFoundError:
        return []
    if installed.version.partition("+")[0] != pin.version:
        return []
    return [LicenseFactory().make_from_string(text) for text in _stated(installed.metadata)][:1]


def _stated(metadata: PackageMetadata) -> Iterator[str]:
    """Licences as a package's metadata has them, the most exact first."""
    yield from metadata.get_all("License-Expression") or []
    for text in metadata.get_all("License") or []:
        if text and len(text) < 100 and "\n" not in text:  # elsewhere the whole text is there
            yield text
    for classifier in metadata.get_all("Classifier") or []:
        if classifier.startswith(_LICENCE_CLASSIFIER):
            yield classifier.rpartition(" :: ")[2]


def main(arguments: Sequence[str]) -> int:
    """Writes both documents into a folder; dated SOURCE_DATE_EPOCH, or 1970 without it."""
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
