"""The benchmarks that measure one thing alone make what they say that they measure. Nothing here is timed."""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from bench import gallery, seals
from bench.network import SIZE, _save
from bench.studies import write_jpegs
from convscope.storage.seals import read_seal


@pytest.fixture
def stage(tmp_path: Path) -> seals.Stage:
    """Two layers over five pictures."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((SIZE, SIZE, 3))
    values = inputs
    for filters in (4, 6):
        values = keras.layers.ReLU()(keras.layers.Conv2D(filters, 3, strides=2)(values))
    values = keras.layers.GlobalAveragePooling2D()(values)
    network = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(values))
    _save(network, tmp_path, ("a", "b", "c"), "random weights")
    write_jpegs(tmp_path / "pictures", 5)
    return seals.Stage(tmp_path, tmp_path / "pictures", 1)


def test_sealing_is_compared_with_the_same_work_without_it(
    stage: seals.Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[dict[str, np.ndarray]] = []
    unlink = Path.unlink

    def read_first(path: Path, missing_ok: bool = False) -> None:
        if path.name == "activations.h5":
            with h5py.File(path) as file:
                found: dict[str, np.ndarray] = {}
                file.visititems(lambda name, item: found.update({name: item[()]} if hasattr(item, "shape") else {}))
                kept.append(found)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", read_first)
    looked = {side: stage.run(side) for side in ("sealed", "not sealed")}
    sealed, bare = kept
    assert sorted(sealed) == sorted(bare) and len(sealed) > 4
    for name in sealed:
        np.testing.assert_array_equal(sealed[name], bare[name], err_msg=name)
    # Every layer's passes are seen on both sides, with digests and without; one alone seals.
    shapes = {side: sorted(passes) for side, (passes, *_) in looked.items()}
    assert shapes["sealed"] == shapes["not sealed"] and len(shapes["sealed"]) >= 2
    assert looked["sealed"][1] > 0
    result = read_seal(tmp_path / "study", "activations.h5")
    assert result and result.chunks


def test_what_digests_cost_is_the_difference_of_medians_of_as_many_passes() -> None:
    with_: Any = defaultdict(list, {"wide": [3.0, 5.0, 4.0], "narrow": [1.0]})
    without: Any = defaultdict(list, {"wide": [3.0, 3.0, 9.0], "narrow": [1.5]})
    assert seals._more(with_, without) == 3 * (4.0 - 3.0) + (1.0 - 1.5)
    assert seals._together([with_, without])["wide"] == [3.0, 5.0, 4.0, 3.0, 3.0, 9.0]


@pytest.mark.long
def test_many_paths_are_chosen_and_planned(root: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "bench.many", "--images", "3000", "--shard", "200"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert "chosen from 3000 paths" in said[-3]
    last = json.loads(said[-1][said[-1].index("{") :])
    assert last["images"] == 3000 and last["jobs"] > 2 * 3000 // 200


@pytest.mark.long
def test_the_gallery_of_many_pictures_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("playwright.sync_api")
    assert gallery.main(argparse.Namespace(images=400, units=300, rounds=1)) in (0, 1)
    printed = capsys.readouterr().out
    for name in ("400 pictures", "one of them", "300 units"):
        assert f"{name}, 4 times slower" in printed
