"""Times a session in a process of its own:
`python -m fkd_infer.tuning.session_worker BATCH MODEL SETTINGS PROVIDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import Contender, serve
from fkd_infer.tuning.trial import RunConfig


def session_contender(
    name: str,
    model: Path,
    settings: SessionSettings,
    batch: int = 1,
    provider: str | ProviderChoice = CPU.name,
) -> Contender:
    """Returns a contender that runs the same batch of crops through a network."""
    config = RunConfig(model, settings, choice=ProviderChoice.of(provider))
    arguments = [str(batch), *config.arguments()]
    return Contender(name, [sys.executable, "-P", "-m", __name__, *arguments])


def main(batch: str, *arguments: str) -> None:
    """Opens the network and serves its calls."""
    import numpy as np

    from fkd_infer.runtime.session import LandmarkSession

    config = RunConfig.of_arguments(*arguments)
    session = LandmarkSession(config.network, config.choice, config.settings)
    size, channels = session.card.input.size, session.card.input.channels
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (int(batch), size, size, channels), np.uint8)
    serve(lambda: session.run(crops))


if __name__ == "__main__":
    main(*sys.argv[1:])
