"""Pictures of activations: every channel of a layer on one sheet, one channel alone, sparsity by depth."""

from pathlib import Path
from typing import Any

import numpy as np

from convscope.pictures.plots import new_figure, save_figure
from convscope.pictures.render import colormap, standardise

COLUMNS = 16
_SMALLEST, _LARGEST = 24, 128


def channel_sheet(maps: np.ndarray, columns: int = COLUMNS, margin: int = 1) -> np.ndarray:
    """Every channel of one image, 16 a row, viridis; each channel standardised alone, all-zero channels blank.

    728 channels are 45 and a half rows: the last row is there, with empty places behind it.

    Args:
        maps: (h, w, C) float.
        columns: channels a row.
        margin: pixels between tiles.

    Returns:
        (H, W, 3) uint8. Small maps are enlarged by a whole factor, large ones thinned, to 24..128 px a tile.
    """
    height, width, channels = maps.shape
    longest = max(height, width)
    zoom = max(1, -(-_SMALLEST // longest))
    thin = -(-longest // _LARGEST)
    maps = np.asarray(maps, np.float32)
    tiles = []
    for channel in range(channels):
        values = maps[:, :, channel]
        tile = colormap("viridis", standardise(values)[::thin, ::thin] / 255.0)
        if not values.any():
            tile = np.full_like(tile, 24)
        tiles.append(np.kron(tile, np.ones((zoom, zoom, 1), np.uint8)) if zoom > 1 else tile)
    rows = -(-channels // columns)
    high, wide = tiles[0].shape[:2]
    sheet = np.full((rows * (high + margin) + margin, columns * (wide + margin) + margin, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        top = margin + index // columns * (high + margin)
        left = margin + index % columns * (wide + margin)
        sheet[top : top + high, left : left + wide] = tile
    return sheet


def single_channel_figure(path: str | Path, image: np.ndarray, values: np.ndarray, title: str) -> None:
    """One channel beside its image, viridis with a scale: (H, W, 3) uint8 and (h, w) float."""
    figure, (left, right) = new_figure(9.0, 4.4, 1, 2)
    left.imshow(image)
    left.set_axis_off()
    shown = right.matshow(np.asarray(values, np.float32), cmap="viridis")
    right.set_axis_off()
    right.set_title(title, fontsize=11)
    figure.colorbar(shown, ax=right, fraction=0.046)
    save_figure(figure, path)


def sparsity_figure(path: str | Path, rows: list[dict[str, Any]], title: str) -> None:
    """Share of zeros and of dead channels by depth, of the layers that a ReLU follows.

    Args:
        path: the PNG.
        rows: of `sparsity.sparsity_by_layer`, in order of depth.
        title: above the plot.
    """
    rows = [row for row in rows if row["relu"]]
    names = [row["layer"] for row in rows]
    figure, axis = new_figure(max(7.0, 0.24 * len(names) + 3), 4.8)
    depth = np.arange(len(names))
    axis.plot(depth, [100 * row["zeros"] for row in rows], "o-", color="#2563a8", label="zeros after the ReLU, %")
    dead = [100 * row["dead"] / row["channels"] for row in rows]
    axis.plot(depth, dead, "s--", color="#c2571a", label="channels no image wakes, %")
    axis.set_xticks(depth, names, rotation=90, fontsize=7 if len(names) > 20 else 9)
    axis.set_ylim(-3, 103)
    axis.set_ylabel("%")
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, fontsize=9)
    axis.set_title(title, fontsize=11)
    save_figure(figure, path)
