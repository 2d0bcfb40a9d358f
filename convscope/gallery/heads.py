"""What the head that CAM needs costs a model, as a page shows it."""

from dataclasses import dataclass
from pathlib import Path

from convscope.gallery.tables import number, read_object


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
