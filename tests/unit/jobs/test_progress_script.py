"""What `make progress` says of a study in the middle of its filters."""

import argparse
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from convscope.jobs.job import Progress
from scripts import progress

LAYERS = """name,role,type,kernel,height,width,channels,filters
first,conv,Conv2D,3x3,10,10,8,8
second,conv,Conv2D,3x3,10,10,8,8
third,conv,Conv2D,3x3,10,10,8,8
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    config = {
        "study": "book",
        "models": {"net": {"source": "preset", "preset": "somewhere"}},
        "filters": {"net": {"layers": "all", "filters": "all", "preset": "sharp", "threads": 2}},
    }
    (tmp_path / "book.yaml").write_text(yaml.safe_dump(config))
    model = tmp_path / "results/book/models/net"
    model.mkdir(parents=True)
    (model / "layers.csv").write_text(LAYERS)
    return tmp_path / "results/book"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    progress.main(argparse.Namespace(config=Path("book.yaml")))
    return capsys.readouterr().out


def finish(study: Path, layer: str, seconds: float) -> None:
    patterns = study / f"filters/net/sharp/{layer}.h5"
    patterns.parent.mkdir(parents=True, exist_ok=True)
    patterns.touch()
    measured = study / f"benchmarks/ascend/net.sharp.{layer}.tsv"
    measured.parent.mkdir(parents=True, exist_ok=True)
    measured.write_text(f"s\th:m:s\n{seconds}\t-\n")


def test_time_left_is_of_one_core_whatever_the_threads_of_a_job(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys).endswith("0 of 24 filters; the time left is known after a few batches\n")
    finish(study, "first", 1440)
    kept = study / "filters/net/sharp/second.state/abc"
    kept.mkdir(parents=True)
    np.savez(kept / "batch.npz", channels=np.arange(6))  # one batch alone says nothing of its time
    # Depths 1 : 1 + 8/3 : 1 + 16/3 times what a filter of the first took: two threads for 180 s.
    hours = 2 * 1440 / 8 * (2 * (11 / 3) + 8 * (19 / 3)) / 3600
    assert said(capsys) == f"net, sharp: 1 of 3 layers, 14 of 24 filters; about {hours:.1f} h of one core left\n"
    finish(study, "first", 36)
    assert said(capsys).endswith(f"about {hours / 40 * 60:.0f} min of one core left\n")
    finish(study, "second", 1)
    finish(study, "third", 1)
    assert said(capsys) == "net, sharp: 3 of 3 layers, 24 of 24 filters: all made\n"


def test_time_left_is_known_before_a_layer_is_finished(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = study / "filters/net/sharp/first.state/abc"
    kept.mkdir(parents=True)
    for number, second in enumerate((100, 101, 340, 341)):  # two threads side by side: two filters each in 240 s
        np.savez(kept / f"{number}.npz", channels=np.arange(2 * number, 2 * number + 2)[: 2 if number < 3 else 1])
        os.utime(kept / f"{number}.npz", (second, second))
    hours = (240 * 2 / 4 + 240 * 2 / 3) / 2 * (1 + 8 * (11 / 3) + 8 * (19 / 3)) / 3600
    assert said(capsys) == f"net, sharp: 0 of 3 layers, 7 of 24 filters; about {hours:.1f} h of one core left\n"


def test_a_layer_finished_after_a_kill_is_not_taken_for_a_cheap_one(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six of the first layer's filters came from an earlier run; the two of the last run took its 360 s.

    The sentence is that of `scripts.ascend`, which tests/workflow/test_kill.py holds it to.
    """
    finish(study, "first", 1440)
    undisturbed = said(capsys)
    finish(study, "first", 360)
    log = study / "logs/ascend/net.sharp.first.log"
    log.parent.mkdir(parents=True)
    work = Progress(8, "patterns of net/first (sharp)", "filters")
    work.step(6, "found by an earlier run", instant=True)
    work.step(2, "objective 1.5")
    log.write_text(capsys.readouterr().out)
    assert said(capsys) == undisturbed
    # Nothing was left to do but to write: then its time says nothing.
    log.write_text("12:00:00 patterns of net/first (sharp): 8/8 filters, found by an earlier run\n")
    assert said(capsys).endswith("8 of 24 filters; the time left is known after a few batches\n")
