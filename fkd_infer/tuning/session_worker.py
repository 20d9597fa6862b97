"""Times a session in a process of its own:
`python -m fkd_infer.tuning.session_worker MODEL PROVIDER BATCH SETTINGS`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from fkd_infer.choices import Provider
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import Contender, serve


def session_contender(
    name: str,
    model: Path,
    settings: SessionSettings,
    batch: int = 1,
    provider: Provider = CPU.name,
) -> Contender:
    """Returns a contender that runs the same batch of crops through a model."""
    arguments = [str(model), provider, str(batch), json.dumps(asdict(settings))]
    return Contender(name, [sys.executable, "-P", "-m", __name__, *arguments])


def main(model: str, provider: Provider, batch: str, settings: str) -> None:
    """Opens the model and serves its calls."""
    import numpy as np

    from fkd_infer.runtime.session import LandmarkSession

    session = LandmarkSession(model, provider, SessionSettings(**json.loads(settings)))
    size, channels = session.card.input.size, session.card.input.channels
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (int(batch), size, size, channels), np.uint8)
    serve(lambda: session.run(crops))


if __name__ == "__main__":
    main(*sys.argv[1:])
