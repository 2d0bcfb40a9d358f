"""Pictures of masks: beside their photos, with what is wrong; what pixels are taken for; how far regions overlap."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.pictures.contact_sheets import contact_sheet, sheet_cell, wrap_text
from convscope.pictures.fonts import caption_font
from convscope.pictures.plots import new_figure, save_figure
from convscope.pictures.render import enlarged, overlay, save_png
from convscope.segmentation.metrics import Counts, Numbers, iou
from convscope.segmentation.names import IGNORED

Pixels = NDArray[np.uint8]
# A colour, and what it stands for.
Swatch = tuple[tuple[int, ...], str]

# Of classes, the background first; more than these begin anew in other shades.
_COLOURS = (
    (38, 45, 58),
    (240, 173, 78),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (240, 228, 66),
    (150, 110, 220),
)
_UNKNOWN = (190, 190, 190)
_WRONG = (214, 39, 40)
_INK, _PAPER = (34, 34, 34), (255, 255, 255)
_COLUMNS, _WIDEST = 2, 1600
# Of heatmaps, as the textbook has them.
_COLORMAP = "jet"
# Paper between the panels of a cell, in pixels.
_GAP = 3
_FONT = 13
# Of more classes than these a matrix has no numbers in its cells: with room for them it would be drawn for minutes, in gigabytes.
_MOST_NUMBERED = 20


def colours_of(count: int) -> Pixels:
    """A colour for every class: (count, 3) uint8."""
    rounds = [np.asarray(_COLOURS) * 0.7**number for number in range(-(-count // len(_COLOURS)))]
    return np.concatenate(rounds)[:count].round().astype(np.uint8)


def painted(mask: np.ndarray, classes: int) -> Pixels:
    """Classes as colours, unknown ones grey: (H, W) integers -> (H, W, 3) uint8."""
    # -1 is the last of the list.
    return np.concatenate([colours_of(classes), np.array([_UNKNOWN], np.uint8)])[mask]


def wrong_pixels(photo: Pixels, truth: np.ndarray, predicted: np.ndarray) -> Pixels:
    """A photo, darkened, with the pixels in red that are taken for another class: (H, W, 3) uint8."""
    dark = (photo * 0.45).astype(np.uint8)
    wrong = (truth != IGNORED) & (truth != predicted)
    return np.where(wrong[..., None], np.array(_WRONG, np.uint8), dark)


def masks_cell(photo: Pixels, truth: np.ndarray | None, predicted: np.ndarray, classes: int) -> Pixels:
    """One picture of a sheet: the photo, its true mask, the predicted one, and what is wrong; without a truth, photo and prediction.

    Args:
        photo: (H, W, 3) uint8.
        truth, predicted: (H, W) integers.
        classes: how many there are.
    """
    panels = [photo, painted(predicted, classes)]
    if truth is not None:
        panels = [photo, painted(truth, classes), painted(predicted, classes), wrong_pixels(photo, truth, predicted)]
    return _beside([enlarged(panel) for panel in panels])


def cam_cell(photo: Pixels, maps: np.ndarray, regions: np.ndarray) -> Pixels:
    """One picture of a sheet: the photo, and over it the map of each class, with its region outlined in white.

    Args:
        photo: (H, W, 3) uint8.
        maps: (T, h, w) float, >= 0; each is shown up to its own largest value.
        regions: (T, H, W) bool.
    """
    photo = enlarged(photo)
    panels = [photo]
    for heatmap, region in zip(maps, regions, strict=True):
        shown = overlay(photo, heatmap, float(heatmap.max(initial=0)), _COLORMAP)
        panels.append(np.where(_outline(enlarged(region[..., None])[..., 0])[..., None], np.uint8(255), shown))
    return _beside(panels)


def _outline(region: np.ndarray) -> np.ndarray:
    """The pixels of a region that touch one outside it, the picture's own edge left out: (H, W) bool."""
    padded = np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~inner


def _beside(panels: Sequence[Pixels]) -> Pixels:
    gap = np.full((panels[0].shape[0], _GAP, 3), _PAPER, np.uint8)
    return np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)


def draw_masks(
    path: Path, cells: Sequence[Pixels], captions: Sequence[str], classes: Sequence[str], *, known: bool, **facts: Any
) -> None:
    """Draw cells of `masks_cell` as one PNG, with a line that says what the colours are.

    Args:
        path: the PNG.
        cells: all of one kind.
        captions: one a cell.
        classes: names.
        known: whether the cells have a truth.
        **facts: of the PNG's text.
    """
    words = "photo, true mask, predicted mask, wrong pixels" if known else "photo, predicted mask"
    swatches: list[Swatch] = list(zip(map(tuple, colours_of(len(classes)).tolist()), classes, strict=True))
    if known:
        swatches += [(_UNKNOWN, "not known"), (_WRONG, "wrong")]
    _draw_sheet(path, cells, captions, 4 if known else 2, [f"Left to right: {words}"], swatches, facts)


def draw_cams(
    path: Path, cells: Sequence[Pixels], captions: Sequence[str], classes: Sequence[str], words: str, **facts: Any
) -> None:
    """Draw cells of `cam_cell` as one PNG, with lines that say what is shown.

    Args:
        path: the PNG.
        cells: all of one kind.
        captions: one a cell.
        classes: names of those that have a map, in order.
        words: what the maps are.
        **facts: of the PNG's text.
    """
    lines = [f"Left to right: photo, {', '.join(classes)}", words[:1].upper() + words[1:]]
    _draw_sheet(path, cells, captions, 1 + len(classes), lines, [], facts)


def _draw_sheet(
    path: Path,
    cells: Sequence[Pixels],
    captions: Sequence[str],
    panels: int,
    lines: Sequence[str],
    swatches: Sequence[Swatch],
    facts: dict[str, Any],
) -> None:
    size = (80, 480)
    if cells:
        height, width = cells[0].shape[:2]
        size = sheet_cell((height, width // panels), panels)
    columns = max(1, min(_COLUMNS, _WIDEST // size[1]))
    sheet = contact_sheet(cells, columns, size, captions, margin=8, font_size=12)
    save_png(path, np.concatenate([_legend(sheet.shape[1], lines, swatches), sheet]), **facts)


def _legend(width: int, lines: Sequence[str], swatches: Sequence[Swatch]) -> Pixels:
    """A strip of paper with some lines, and names beside their colours; in as many lines as it takes."""
    font = caption_font(_FONT, "".join([*lines, *(name for _, name in swatches)]))
    line, gap, left = 22, 8, 8
    wrapped = [part for text in lines for part in wrap_text(text, font, width - 2 * left)]
    places: list[tuple[int, int, tuple[int, ...] | None, str]] = [
        (i, left, None, text) for i, text in enumerate(wrapped)
    ]
    row, x = len(wrapped), left
    for colour, name in swatches:
        needed = line + font.getlength(name) + 2 * gap
        if x > left and x + needed > width:
            row, x = row + 1, left
        places.append((row, x, colour, name))
        x += int(needed)
    strip = Image.new("RGB", (width, (row + bool(swatches)) * line + gap), _PAPER)
    pen = ImageDraw.Draw(strip)
    for number, start, swatch, name in places:
        middle = gap + (number + 0.5) * line
        if swatch is not None:
            pen.rectangle((start, middle - 7, start + 14, middle + 7), fill=swatch)
        font.write(pen, (start + (line if swatch is not None else 0), middle), name, _INK, "lm")
    return np.array(strip)


def draw_confusion(path: Path, title: str, numbers: Numbers | None, classes: Sequence[str]) -> None:
    """Draw what the pixels of each class are taken for, as shares of the truth, of up to 20 classes with their numbers, as PNG."""
    numbered = len(classes) <= _MOST_NUMBERED
    side = max(4.6, 1.1 * min(len(classes), _MOST_NUMBERED) + 2)
    figure, axis = new_figure(side + 0.8, side)
    if numbers is None:
        _nothing(axis)
    else:
        totals = numbers.counts.sum(axis=1, keepdims=True)
        shares = numbers.counts / np.maximum(totals, 1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        ticks = range(len(classes))
        axis.set(xlabel="predicted", ylabel="true", xticks=ticks, yticks=ticks)
        axis.set_xticklabels(
            classes,
            rotation=(30 if numbered else 90) if len(classes) > 3 else 0,
            ha=("right" if numbered else "center") if len(classes) > 3 else "center",
        )
        axis.set_yticklabels(classes)
        for true in ticks if numbered else ():
            for predicted in ticks:
                share = shares[true, predicted]
                text = f"{share:.1%}\n{numbers.counts[true, predicted]:,}".replace(",", "\u202f")
                ink = "white" if share > 0.55 else "#222222"
                axis.text(predicted, true, text, ha="center", va="center", color=ink, fontsize=9)
    figure.suptitle(title)
    save_figure(figure, path)


def draw_overlap(path: Path, title: str, counts: Counts, numbers: Numbers | None, classes: Sequence[str]) -> None:
    """Draw the IoU of every class, a dot a picture, with that of sums over all of them and the mean of the dots, as PNG."""
    figure, axis = new_figure(7.2, 1.4 + 0.62 * max(len(classes), 3))
    if numbers is None:
        _nothing(axis)
    else:
        own = iou(counts)
        for place, found in enumerate(numbers.classes):
            values = own[:, place]
            values = np.sort(values[~np.isnan(values)])
            # Dots that would lie on each other beside each other, the same every time.
            shift = 0.28 * (np.arange(len(values)) % 7 - 3) / 3
            axis.plot(values, place + shift, ".", ms=4, color="#8a8f98", label="a picture")
            for value, colour, style, words in (
                (found.iou, "#d1242f", "-", "of sums over all pictures"),
                (found.iou_of_pictures, "#1f6feb", ":", "mean of the pictures"),
            ):
                axis.plot([value] * 2, [place - 0.38, place + 0.38], color=colour, lw=2, ls=style, label=words)
        axis.set(xlim=(-0.02, 1.02), ylim=(len(classes) - 0.45, -0.55), xlabel="intersection over union")
        axis.set_yticks(range(len(classes)), classes)
        axis.grid(axis="x", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        # One of each kind, not one a class.
        figure.legend(handles=axis.get_lines()[:3], loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title)
    save_figure(figure, path)


def _nothing(axis: Any) -> None:
    axis.set_axis_off()
    axis.text(0.5, 0.5, "none of these pictures has a mask", ha="center", va="center", transform=axis.transAxes)
