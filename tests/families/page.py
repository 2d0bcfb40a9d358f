"""docs/models.md, made of what was measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
_HEAD = """# Families of networks

Made by `make docs-models`, which takes every family of `keras.applications` and every image classifier of keras-hub through the
library: weights at random, batch statistics, factors and offsets perturbed, since a fresh network's (0 and 1) hide mistakes. A row is
of the smallest network that has all parts of its family; the others of the family differ in depth and width.

- **Logits**: largest difference between the original's and those of the form that is explained, as a share of the largest, on
  noise of the network's own range.
- **Target layer**: what class activation maps are drawn of unless `layer` says otherwise, and the map's size as measured. Of a
  transformer these are tokens, back on their grid: the last block's before they are pooled, or, where the answer is read from
  the class
  token, what goes into the last block's attention (behind it, gradients at the patches are zero). Tokens of the class, of distillation
  and registers are set aside. **Attention has brought into each token what other places hold**: two small transformers were trained
  to tell the colour of one patch in noise and then told all; Grad-CAM's peak lay on that patch in none of 64 pictures (tokens pooled)
  and in 29 of them (class token), where chance is one. Such maps want a second opinion: occlusion, and `judging:`.
- **Moves**: noise is planted into each quarter of four grey pictures in turn; for how many of these sixteen the Grad-CAM of the
  classes changes in that quarter more than it does for the other three. By chance one in four is right; twelve are asked for. A random
  network whose own feature maps change as much elsewhere (gates) is set aside for the next: no map can show what it has lost.
- **ReLUs**: how many follow the rule of guided backprop and of the deconvnet. A ReLU with a ceiling (ReLU6) is one that passes nothing
  above it. GELU, SiLU (swish), hard-swish, ELU, leaky and parametric ReLUs let negative numbers through, so that no side of
  them is shut: their gradient stays the plain one, and they are counted beside it. **Without a ReLU, guided backprop and the
  deconvnet are the plain
  gradient**, and Guided Grad-CAM is the plain gradient times Grad-CAM; the log and the captions of such maps say so.
- **Layers**: convolutions that are found, those inside of blocks too. Filter patterns are made of these; a transformer without any has
  none. **Ascent**: whether the responses of two filters rise, in the first layer and in the last one.

"""
_COLUMNS = ("Family", "Logits", "Target layer", "Map", "Moves", "ReLUs", "Other activations", "Layers", "Ascent")


def is_whole(row: dict[str, Any]) -> bool:
    """Whether everything that a row says is as it should be."""
    return (
        row["difference"] < 1e-4
        and row["as_a_person"]
        and min(row["map"]) >= 4
        and row["moves"] >= 12
        and (row["guided_differs"] > 1e-3) == bool(row["relus"])
        and all(row.get(f"{name}_rises", not row["layers"]) for name in ("early", "late"))
    )


def write_page(rows: Sequence[dict[str, Any]], missing: Sequence[str] = ()) -> None:
    """Write the page; families that are not measured yet are named."""
    left = f"Not measured yet: {', '.join(missing)}.\n\n" if missing else ""
    PAGE.write_text(_HEAD + left + table(rows))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table of Markdown."""
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    others = ", ".join(f"{name} {count}" for name, count in row["others"].items())
    more = ", ".join(
        name for name in row["members"] if not row["family"].endswith(f" {name}") and "Classifier" not in name
    )
    ascent = "-"
    if row["layers"]:
        parts = [
            f"{name} {'rises' if row[f'{name}_rises'] else 'does not rise'}"
            + ("" if row[f"{name}_path"] == "own" else " (Keras's graph)")
            for name in ("early", "late")
        ]
        ascent = "both rise" if parts == ["early rises", "late rises"] else ", ".join(parts)
    return (
        row["family"] + (f" (as {more})" if more else ""),
        f"{row['difference']:.0e}" if row["difference"] else "0",
        f"`{row['layer']}`",
        "x".join(map(str, row["map"])),
        f"{row['moves']} of 16",
        str(row["relus"]) if row["relus"] else "none: plain gradient",
        others or "-",
        str(row["layers"]),
        ascent,
    )
