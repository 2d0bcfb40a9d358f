"""Telling the drawn pets apart is a task worth learning: pixels alone do not give the class away."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[3]


def pixels(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of a split at 32x32, flattened, and their labels."""
    images, labels = [], []
    for label, name in enumerate(("cat", "dog")):
        for path in sorted((folder / split / name).glob("*.png")):
            small = Image.open(path).resize((32, 32), Image.Resampling.BILINEAR)
            images.append(np.asarray(small, np.float32).ravel())
            labels.append(label)
    return np.stack(images), np.array(labels)


@pytest.mark.long
def test_a_linear_model_on_pixels_stays_under_75_percent(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    counts = json.dumps({"train": 500, "test": 200})
    command = [sys.executable, "-m", "scripts.draw_pets", "--out", str(folder), "--size", "64", "--counts", counts]
    subprocess.run([*command, "--background", "any", "--seed", "1", "--threads", "2"], cwd=ROOT, check=True)
    train, train_labels = pixels(folder, "train")
    test, test_labels = pixels(folder, "test")
    scaler = StandardScaler().fit(train)
    accuracies = []
    for strength in (1e-4, 1e-3, 1e-2):
        model = LogisticRegression(C=strength, max_iter=300).fit(scaler.transform(train), train_labels)
        accuracies.append(model.score(scaler.transform(test), test_labels))
    print("linear model on pixels:", accuracies)
    assert max(accuracies) < 0.75
