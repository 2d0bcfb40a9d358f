"""What is seen of a training in TensorBoard and in Weights & Biases, read back by their own libraries."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.errors import UserError
from convscope.watching import loggers, record, settings
from convscope.watching.callback import Watch
from tests.unit.watching.test_watch import CLASSES, data, fitted

ROOT = Path(__file__).parents[3]


def watch(folder: Path, **to: Any) -> Watch:
    return Watch(data(4)[0], folder / "seen", epochs=[1, 3], labels=data(4)[1], classes=CLASSES, **to)


class Kept:
    """A logger that keeps what it is told."""

    def __init__(self, *_: Any) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.closed = False

    def epoch(self, *told: Any) -> None:
        self.told.append(told)

    def close(self) -> None:
        self.closed = True


def test_what_loggers_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Kept] = []
    monkeypatch.setattr("convscope.watching.callback.TensorBoard", lambda folder: made.append(Kept()) or made[-1])
    monkeypatch.setattr("convscope.watching.callback.need", lambda *_: None)
    fitted([watch(tmp_path, tensorboard=tmp_path / "board")], epochs=3)
    (logger,) = made
    assert logger.closed and [told[0] for told in logger.told] == [1, 3]
    number, logs, pictures, rows = logger.told[1]
    assert logs.keys() == {"accuracy", "loss"} and list(pictures) == [row["id"] for row in rows]
    assert {picture.dtype for picture in pictures.values()} == {np.dtype(np.uint8)} and len(rows) == 4
    before = [row["predicted"] for row in logger.told[0][3]]
    assert [row["flipped"] for row in rows] == [a != row["predicted"] for a, row in zip(before, rows, strict=True)]
    assert {row["epoch"] for row in rows} == {number} and not any(row["flipped"] for row in logger.told[0][3])


def test_shares() -> None:
    rows = [
        {"correct": correct, "flipped": flipped} for correct, flipped in ((True, True), (False, False), (None, False))
    ]
    assert loggers.shares(rows) == {"right": 0.5, "flipped": 1 / 3}
    assert loggers.shares(rows[2:]) == {"flipped": 0.0}


def test_a_library_that_is_missing_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder of that name, as runs leave one beside the script, is no library.
    (tmp_path / "no_such_board").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("no_such_board", "no_such_library"):
        with pytest.raises(
            UserError, match=rf"tensorboard= needs {module}, which is not installed; pip install {module}"
        ):
            settings.need(module, "tensorboard=")
    monkeypatch.setattr(settings.importlib.util, "find_spec", lambda name: None)
    for argument in ({"tensorboard": tmp_path}, {"wandb": True}, {"wandb": {}}):
        with pytest.raises(UserError, match="which is not installed"):
            watch(tmp_path, **argument)


def test_tensorboard_reads_it(tmp_path: Path) -> None:
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    fitted([watch(tmp_path, tensorboard=tmp_path / "board")], epochs=3)
    board = accumulators.EventAccumulator(str(tmp_path / "board"), {"tensors": 0})
    board.Reload()
    tags = board.Tags()["tensors"]
    assert {f"watch/{name}" for name in ("loss", "accuracy", "watched_right", "watched_flipped", "predictions")} <= set(
        tags
    )
    losses = board.Tensors("watch/loss")
    assert [event.step for event in losses] == [1, 3]
    rows = (tmp_path / "seen" / "predictions.csv").read_text().splitlines()[1:]
    text = board.Tensors("watch/predictions")[1].tensor_proto.string_val[0].decode()
    last = [row for row in rows if row.startswith("3,")]
    assert text.count("\n") == 1 + len(last) == 5 and f"| 3 | {last[0].split(',')[1]} | dark |" in text
    picture = board.Tensors(f"watch/{last[0].split(',')[1]}")[0].tensor_proto.string_val
    # 24 x 32 is enlarged fivefold; a picture is its width, its height and a PNG.
    assert [int(side) for side in picture[:2]] == [160, 120] and picture[2].startswith(b"\x89PNG")


def test_the_log_of_a_study_says_the_same_in_the_same_bytes(tmp_path: Path) -> None:
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    fitted([watch(tmp_path, tensorboard=tmp_path / "board")], epochs=3)
    for name in ("one", "two"):
        loggers.write_board(tmp_path / name / "events.out.tfevents.watch", *record.read(tmp_path / "seen"), "jet")
    one, two = ((tmp_path / name / "events.out.tfevents.watch").read_bytes() for name in ("one", "two"))
    assert one == two
    boards = [accumulators.EventAccumulator(str(tmp_path / name), {"tensors": 0}) for name in ("board", "one")]
    for board in boards:
        board.Reload()
    live, stored = boards
    assert live.Tags() == stored.Tags() and len(live.Tags()["tensors"]) == 9
    for tag in live.Tags()["tensors"]:
        told = [[(event.step, event.tensor_proto) for event in board.Tensors(tag)] for board in boards]
        assert told[0] == told[1], tag
    assert [event.wall_time for event in stored.Tensors("watch/loss")] == [1, 3]


def test_weights_and_biases_keeps_it_without_a_connection(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    program = f"""
from pathlib import Path
from tests.unit.watching.test_loggers import watch
from tests.unit.watching.test_watch import fitted
fitted([watch(Path({str(tmp_path)!r}), wandb={{"project": "watched", "mode": "offline", "dir": {str(tmp_path)!r}}})], epochs=3)
"""
    quiet = {
        "WANDB_SILENT": "true",
        "WANDB_DIR": str(tmp_path),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=os.environ | quiet, check=True)
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    history = read_run(next(run.glob("*.wandb")))
    assert [row["watch/epoch"] for row in history] == [1, 3]
    assert all({"watch/loss", "watch/watched_right", "watch/watched_flipped"} <= row.keys() for row in history)
    table = json.loads((run / "files" / history[1]["watch/predictions.path"]).read_text())
    assert table["columns"][:4] == ["epoch", "id", "class", "predicted"] and len(table["data"]) == 8
    seen = f"watch/{table['data'][0][1]}"
    assert (history[1][f"{seen}.width"], history[1][f"{seen}.height"]) == (160, 120)
    assert history[1][f"{seen}.caption"].startswith("epoch 3, ")
    assert (run / "files" / history[1][f"{seen}.path"]).is_file()


def read_run(path: Path) -> list[dict[str, Any]]:
    """The history of an offline run: its file is a log of LevelDB's form, whose records wandb's own protocol reads."""
    from wandb.proto import wandb_internal_pb2

    content, history, whole = path.read_bytes(), [], b""
    block, place = 32768, 7  # wandb's own mark comes first
    assert content[:4] == b":W&B"
    while place + 7 <= len(content):
        if block - place % block < 7:
            place += block - place % block
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            if record.WhichOneof("record_type") == "history":
                items = record.history.item
                history.append({item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items})
    return history
