"""Units of the fixture's network, as the workflow leaves them: two layers, names that break careless pages."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convscope.storage import store
from convscope.storage.tables import write_table
from convscope.units.crops import CELL, UNITS_A_SHEET
from convscope.units.relations import NEAREST
from convscope.units.report import UnitRow
from convscope.units.results import Dissected, LayerAnswers, Related
from convscope.units.store import write_units
from convscope.units.trust import LayerPaths, PatternRow, rows_of, write_paths
from tests import gallery_fixture as fixture

COUNTS = {"conv1": 17, "conv2": 12}
HOSTILE = "</script><b>eyes"


def add_units(results: Path, model: str = "convnet") -> dict[str, Any]:
    """Write `units/<model>/<first set>`; the config that asks for it."""
    name = fixture.SETS[0]
    folder = results / "units" / model / name
    rng = np.random.default_rng(5)
    concepts, kinds, images = [HOSTILE, "red"], ["part", "colour"], 8
    rows = []
    first = {layer: sum(list(COUNTS.values())[:k]) for k, layer in enumerate(COUNTS)}
    (folder / "crops" / "0000").mkdir(parents=True)
    with store.create(folder / "units.h5", model=model, model_digest=fixture.DIGEST) as file:
        texts = {"layer": list(COUNTS), "concept": concepts, "kind": kinds, "label": fixture.CLASSES}
        pictures = {"id": [f"img_{k}" for k in range(images)], "class": [fixture.CLASSES[k % 2] for k in range(images)]}
        for key, values in {**texts, **pictures}.items():
            store.write_array(file, key, values, (key,), dtype=store.TEXT)
        store.write_array(file, "first", list(first.values()), ("layer",))
        store.write_array(file, "part", ["0000"] * len(COUNTS), ("layer",), dtype=store.TEXT)
        for layer, count in COUNTS.items():
            shares = rng.uniform(0, 0.3, (7, count, 2)).astype(np.float32)
            found = Dissected(*shares, np.full(count, 0.005, np.float32))
            found.fired[-1] = 0
            maximum = rng.uniform(0, 4, (images, count)).astype(np.float32)
            answers = LayerAnswers(maximum, maximum, np.zeros((images, count), np.int32), np.ones(count, np.float32))
            shown = np.tile(np.arange(images), (count, 1)).astype(np.int32)
            near = Related(
                rng.integers(-1, sum(COUNTS.values()), (count, NEAREST)).astype(np.int32),
                np.full((count, NEAREST), 0.5, np.float32),
            )
            relations = dict.fromkeys(("answers", "weights", "fed_by", "feeds"), near)
            write_units(file, layer, answers, shown, found, relations, rng.uniform(0, 1, (count, 2)).astype(np.float32))
            for start in range(0, count, UNITS_A_SHEET):
                height = min(UNITS_A_SHEET, count - start) * CELL
                sheet = np.full((height, images * CELL, 3), 30 * start % 255, np.uint8)
                Image.fromarray(sheet).save(folder / "crops" / "0000" / f"{layer}.{start:05d}.jpg")
            for unit in range(count):
                eyes = layer == "conv1" and unit < 3
                dead = unit == count - 1
                words = (
                    "never fires on these pictures"
                    if dead
                    else f"{HOSTILE} (IoU 0.2, chance 0.1)"
                    if eyes
                    else "nothing that has a name here"
                )
                rows.append(
                    UnitRow(
                        layer, unit, words, "concept" if eyes else "", "part" if eyes else "", HOSTILE if eyes else "",
                        *([0.2 + unit / 100] * 6 if eyes else [float("nan")] * 6), fires=0.5,
                        fired=0.0 if dead else 0.005, threshold=1.0,
                        strongest=4.0, favourite="cat" if unit == 1 else "", ratio=float("inf") if unit == 1 else 1.0, selectivity=0.1,
                        strength=1.0,
                    )
                )  # fmt: skip
    write_table(folder / "units.csv", rows, UnitRow)
    for name_ in ("units", "concepts"):
        fixture.picture(folder / f"{name_}.png", 60, 90, 3)
    return fixture.CONFIG | {"units": {model: {"images": [name]}}}


def add_measured(results: Path, model: str = "convnet") -> None:
    """Write what was measured of the patterns of the first layer's units: those of odd units are too weak."""
    folder = results / "units" / model / fixture.SETS[0]
    count = COUNTS["conv1"]
    odd = np.arange(count) % 2 == 1
    half, none = np.full((count, 2), 0.5, np.float32), np.zeros((count, 2), np.float32)
    found = LayerPaths(
        layer="conv1", way=[HOSTILE, "conv1"], units=np.arange(count), largest=np.ones(count, np.float32),
        least=np.zeros(count, np.float32), best=half, middle=none, chance=np.full(count, 0.2, np.float32),
        answers={"textbook": np.where(odd, 0.5, 2).astype(np.float32)},
        alike={"textbook": np.where(odd[:, None], [0.25, np.nan], [0.4, 0.4]).astype(np.float32)},
        dead={"textbook": np.zeros(count, bool)}, turned=np.arange(count) == 1,
    )  # fmt: skip
    with store.create(folder / "paths" / "conv1.h5", layer="conv1", model=model, model_digest=fixture.DIGEST) as file:
        write_paths(file, found)
    write_table(folder / "patterns.csv", rows_of(found), PatternRow)
    fixture.picture(folder / "patterns.png", 60, 90, 4)
