from __future__ import annotations

from pathlib import Path

import numpy as np

from fkd_train.training.log import RunLog


def test_later_epochs_keep_the_columns_of_the_first(tmp_path: Path) -> None:
    """Also those that an older version wrote, and that are not measured any more."""
    log = RunLog(tmp_path)
    log.append({"epoch": 1, "nme": 9.5, "seed_mse": 0.5, "seconds": 3})
    log.append({"epoch": 2, "nme": 8.5, "seconds": 4, "other": 1})
    first, second = log.rows()
    assert first == {"epoch": 1, "nme": 9.5, "seed_mse": 0.5, "seconds": 3}
    assert np.isnan(second.pop("seed_mse"))
    assert second == {"epoch": 2, "nme": 8.5, "seconds": 4}
