"""Kinds of reasons of the fixture's network, as the workflow leaves them: names that break careless pages, a map without heat."""

from pathlib import Path
from typing import Any

import numpy as np

from convscope.storage.tables import write_table
from convscope.strategies.figures import draw_strategies
from convscope.strategies.report import ClassKinds, Group, KindRow, Strategies
from convscope.strategies.store import save
from tests import gallery_fixture as fixture

HOSTILE = "in a corner: </script><b>40 %"


def _group(name: str, kind: int, members: list[int], of: int, warning: str = "") -> Group:
    mean = np.zeros((4, 4), np.float32)
    mean[1:3, 1:3] = 0.25
    rows = np.array(members)
    central = " ".join(f"img_{k}" for k in members[:3])
    row = KindRow(
        name,
        kind,
        len(members),
        of,
        "1",
        f"{name} {len(members)}",
        "eyes (40% of the heat, chance 6%)",
        warning,
        0.001,
        central,
    )
    return Group(row, rows, rows[:9], mean * kind, ())


def result() -> Strategies:
    """Two classes: of the first two kinds in five pictures, of the other one kind; the last picture's map has no heat."""
    first, second = fixture.CLASSES
    groups = (_group(first, 1, [0, 2, 5], 5), _group(first, 2, [4, 7], 5, HOSTILE))
    told = ClassKinds(
        first,
        5,
        0,
        f"2 kinds of reasons in 5 maps of {first} (p = 0.001)",
        0.001,
        2,
        np.array([0.0, 0.01, 0.4]),
        groups,
    )
    words = f"too few maps of {second} to tell kinds of reasons: 2, and 20 are needed"
    other = ClassKinds(second, 3, 1, words, float("nan"), 1, np.zeros(0), (_group(second, 1, [1, 3], 2),))
    places = np.random.default_rng(0).uniform(size=(8, 2)).astype(np.float32)
    places[6] = np.nan
    kind = np.array([1, 1, 1, 1, 2, 1, 0, 2], np.int32)
    return Strategies((told, other), kind, np.array([0, 1, 0, 1, 0, 0, 1, 0], np.int32), places)


def add_reasons(results: Path, config: dict[str, Any] = fixture.CONFIG, model: str = "convnet") -> dict[str, Any]:
    """Write `strategies/<model>/<first set>` by two methods; the config that asks for it."""
    folder = results / "strategies" / model / fixture.SETS[0]
    folder.mkdir(parents=True)
    for method in ("gradcam", "saliency"):
        ids = [f"img_{k}" for k in range(8)]
        save(folder / f"{method}.h5", result(), ids, model=model, model_digest=fixture.DIGEST, method=method)
        write_table(folder / f"{method}.csv", result().rows, KindRow)
        draw_strategies(folder / f"{method}.png", f"{model}: kinds of reasons", result())
    return config | {"strategies": {model: {"images": fixture.SETS[:1], "methods": ["gradcam", "saliency"], "most": 8}}}
