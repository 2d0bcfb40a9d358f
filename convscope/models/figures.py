"""How a training went, drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from convscope.storage.files import atomic_path


def draw_curves(
    path: Path, title: str, history: Sequence[Mapping[str, float]], best_epoch: int, head_epochs: int | None = None
) -> None:
    """Draw accuracy and loss of both splits by epoch, the best epoch marked, as PNG.

    Args:
        path: the PNG.
        title: of the figure.
        history: a row an epoch, in order: `epoch`, `loss`, `accuracy`, `val_loss`, `val_accuracy`.
        best_epoch: the epoch whose weights the model has, from 1.
        head_epochs: how many are of a head alone; the rest, if any, is fine-tuning, and is shaded.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in history]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), dpi=120, layout="constrained")
    for axis, quantity in zip(axes, ("accuracy", "loss"), strict=True):
        training = [row[quantity] for row in history]
        validation = [row[f"val_{quantity}"] for row in history]
        axis.plot(epochs, training, "o", ms=3.5, color="#8a8f98", label="training")
        axis.plot(epochs, validation, "-", lw=1.8, color="#1f6feb", label="validation")
        best = history[best_epoch - 1][f"val_{quantity}"]
        axis.axvline(best_epoch, color="#d1242f", lw=0.8, ls=":")
        axis.plot([best_epoch], [best], "D", ms=6, color="#d1242f", label=f"best epoch {best_epoch}: {best:.3f}")
        if head_epochs is not None and head_epochs < len(epochs):
            axis.axvspan(head_epochs + 0.5, len(epochs) + 0.5, color="#f2e6c9", lw=0, zorder=0, label="fine-tuning")
        axis.set(xlabel="epoch", ylabel=quantity)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    if all(row[f"{split}loss"] > 0 for row in history for split in ("", "val_")) and len(epochs) > 2:
        highest = max(row["val_loss"] for row in history)
        lowest = min(row["loss"] for row in history)
        if highest / lowest > 50:
            axes[1].set_yscale("log")
    figure.suptitle(title)
    with atomic_path(path) as temporary:
        # Without the entry of matplotlib's version the file is the same everywhere.
        figure.savefig(temporary, metadata={"Software": None, "Title": title})
    pyplot.close(figure)
