"""What the head that CAM needs costs a model, as a page shows it: one trained beside the model's own, or in place of a dense one."""

from dataclasses import dataclass
from pathlib import Path

from convscope.gallery.tables import Row, number, read_object, read_table


@dataclass(frozen=True)
class CamHead:
    """The head that a model's CAM takes: its own, or one trained on its frozen features.

    `accuracy_own` and `accuracy_gap` are 0..1 over the same `images` of `dataset` / `split`, None where the head is the
    model's own (it costs nothing); `train` names the split that taught it, with `train_images` images.
    """

    layer: str
    own: bool
    dataset: str
    train: str
    train_images: int
    split: str
    images: int
    accuracy_own: float | None
    accuracy_gap: float | None
    file: Path

    @property
    def cost(self) -> float | None:
        """Accuracy lost with the trained head, in percentage points; below 0 where it is the better one."""
        if self.accuracy_own is None or self.accuracy_gap is None:
            return None
        return 100 * (self.accuracy_own - self.accuracy_gap)


def cam_head(path: Path) -> CamHead | None:
    """Read `cams/<model>/gap_head.json`; None where it is absent or says that there is no head.

    Raises:
        UserError: the file is damaged.
    """
    facts = read_object(path)
    if not facts or facts.get("refusal"):
        return None
    return CamHead(
        layer=str(facts.get("layer", "")),
        own=bool(facts.get("own_head")),
        dataset=str(facts.get("dataset", "")),
        train=str(facts.get("train", "")),
        train_images=int(number(facts.get("train_images")) or 0),
        split=str(facts.get("test", "")),
        images=int(number(facts.get("test_images")) or 0),
        accuracy_own=number(facts.get("accuracy_own_head")),
        accuracy_gap=number(facts.get("accuracy_gap_head")),
        file=path,
    )


@dataclass(frozen=True)
class ComparedHead:
    """How good a head is on a split: a row of `heads.csv`, whose columns `convscope.models.head_cost` explains."""

    head: str
    accuracy: float | None
    right: int | None
    alone_right: int | None
    loss: float | None
    parameters: int | None


@dataclass(frozen=True)
class SplitOfHeads:
    """The heads of a transferred model on one split.

    `cost` is the accuracy that the gap head, which CAM needs, loses beside the dense one, in percentage points; `p` how often chance
    alone parts two equally good heads so far. Both are None where a head is missing.
    """

    split: str
    images: int | None
    heads: tuple[ComparedHead, ...]
    cost: float | None
    p: float | None


@dataclass(frozen=True)
class TransferHeads:
    """Both heads of a transferred model on the same frozen features."""

    splits: tuple[SplitOfHeads, ...]
    file: Path

    @property
    def judged(self) -> SplitOfHeads:
        """The split that no epoch was chosen by, where there is one."""
        return next((entry for entry in self.splits if entry.split == "test"), self.splits[-1])


def transfer_heads(path: Path) -> TransferHeads | None:
    """Read `models/<model>/heads.csv`; None where it is absent or empty.

    Raises:
        UserError: the file is damaged.
    """
    rows = read_table(path, ("split", "head", "images", "right", "accuracy"))
    splits = []
    for split in dict.fromkeys(row["split"] for row in rows):
        own = [row for row in rows if row["split"] == split]
        accuracy = {row["head"]: number(row["accuracy"]) for row in own}
        gap, dense = accuracy.get("gap"), accuracy.get("dense")
        splits.append(
            SplitOfHeads(
                split,
                _whole(own[0]["images"]),
                tuple(map(_compared, own)),
                None if gap is None or dense is None else 100 * (dense - gap),
                next((number(row.get("p")) for row in own if row["head"] == "gap"), None),
            )
        )
    return TransferHeads(tuple(splits), path) if splits else None


def _compared(row: Row) -> ComparedHead:
    return ComparedHead(
        row["head"],
        number(row["accuracy"]),
        _whole(row["right"]),
        _whole(row.get("alone_right")),
        number(row.get("loss")),
        _whole(row.get("parameters")),
    )


def _whole(cell: str | None) -> int | None:
    found = number(cell)
    return None if found is None else int(found)
