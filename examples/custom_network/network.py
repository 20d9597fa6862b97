"""A network of one's own, trained in plain PyTorch: python network.py data network.pt."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

SIZE, SCALE = 64, 1.4
"""Side of a crop in pixels; and of what it shows, in sides of the box around the points."""
VIEWS, EPOCHS, BATCH = 4, 12, 32
"""Crops of each face, and how they are trained on."""


class Points(nn.Sequential):
    """Gray crops (N, 1, SIZE, SIZE) in [0, 1] to points (N, 136), as shares of the crop's side."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in [(1, 8), (8, 16), (16, 32), (32, 64)]:
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
        super().__init__(*layers, nn.Flatten(), nn.Linear(64 * (SIZE // 16) ** 2, 136))


def crops(folder: Path) -> tuple[Tensor, Tensor]:
    """Crops of the training faces in YouTube Faces' layout, each moved and scaled a little."""
    table = pd.read_csv(folder / "training_frames_keypoints.csv", index_col=0)
    rng, images, targets = np.random.default_rng(0), [], []
    for name, row in table.iterrows():
        image = cv2.imread(str(folder / "training" / str(name)), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise FileNotFoundError(f"{name}: cannot be read")
        points = row.to_numpy(np.float32).reshape(-1, 2)
        low, high = points.min(0), points.max(0)
        for _ in range(VIEWS):
            side = SCALE * (high - low).max() * rng.uniform(0.9, 1.1)
            corner = (low + high) / 2 + side * (rng.normal(0, 0.03, 2) - 0.5)
            matrix = np.column_stack([np.eye(2), -corner]) * SIZE / side
            images.append(
                cv2.warpAffine(image, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
            )
            targets.append((points - corner) / side)
    planes = torch.from_numpy(np.stack(images)[:, None]).float() / 255
    return planes, torch.from_numpy(np.stack(targets)).float().flatten(1)


def main(folder: str, out: str) -> None:
    """Trains and writes the weights."""
    torch.manual_seed(0)
    planes, points = crops(Path(folder))
    network = Points()
    optimizer = torch.optim.AdamW(network.parameters(), 0.003)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for epoch in range(1, EPOCHS + 1):
        losses = []
        for rows in torch.randperm(len(planes)).split(BATCH):  # type: ignore[no-untyped-call]
            loss = nn.functional.smooth_l1_loss(network(planes[rows]), points[rows], beta=0.01)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        if epoch % 4 == 0:
            print(f"epoch {epoch}: loss {np.mean(losses):.4f}", flush=True)
    torch.save(network.state_dict(), out)


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)
