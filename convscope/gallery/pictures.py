"""Small pictures the gallery makes for itself, cut from the filter grids: a strip a layer, a banner a model."""

from pathlib import Path

from PIL import Image

from convscope.gallery.filters import Grid, Layer
from convscope.storage.files import atomic_path

_QUALITY = 88


def _patterns(grid: Grid, side: int, count: int) -> list[Image.Image]:
    """The first `count` patterns, each `side` x `side` px; dead filters only where there are no others."""
    order = sorted(grid.patterns, key=lambda pattern: pattern.dead)[:count]
    with Image.open(grid.path) as image:
        sheet = image.convert("RGB")
    cells = [sheet.crop((p.left, p.top, p.left + grid.cell, p.top + grid.cell)) for p in order]
    return [cell.resize((side, side), Image.Resampling.LANCZOS) for cell in cells]


def _save(canvas: Image.Image, out: Path) -> None:
    with atomic_path(out) as temporary:
        canvas.save(temporary, quality=_QUALITY)


def strip(grid: Grid, out: Path, *, count: int = 8, side: int = 128) -> None:
    """Write a JPEG with the first patterns of a layer in a row, `side` px each."""
    cells = _patterns(grid, side, count)
    canvas = Image.new("RGB", (side * max(len(cells), 1), side), (128, 128, 128))
    for position, cell in enumerate(cells):
        canvas.paste(cell, (position * side, 0))
    _save(canvas, out)


def banner(layers: list[Layer], out: Path, *, columns: int = 12, rows: int = 4, side: int = 120) -> None:
    """Write a JPEG that goes through a model from left (first layer) to right (last): `rows` patterns a column."""
    grids = [layer.grid for layer in layers if layer.grid and layer.grid.patterns]
    canvas = Image.new("RGB", (columns * side, rows * side), (128, 128, 128))
    owners = [column * len(grids) // columns for column in range(columns)]
    for owner in sorted(set(owners)):
        mine = [column for column in range(columns) if owners[column] == owner]
        cells = _patterns(grids[owner], side, rows * len(mine))
        for position in range(rows * len(mine)):
            cell = cells[position % len(cells)]
            canvas.paste(cell, (mine[position // rows] * side, position % rows * side))
    _save(canvas, out)
