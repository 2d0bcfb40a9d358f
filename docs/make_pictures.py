"""Make the pictures of the README and of docs/ from finished studies: `python docs/make_pictures.py` (needs chromium for some).

The default study must be there; `config/cheat.yaml`, `config/segmentation.yaml`, `config/architectures.yaml` and a study with the
real Xception give pictures where they are.
"""

import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "results" / "drawn_pets"
DOCS = ROOT / "docs"
FILTER_LAYERS = [
    ("convnet", "conv2"), ("convnet", "conv3"), ("convnet", "conv4"), ("mini_xception", "block2_sepconv2"),
]  # fmt: skip
ROW = 8
# Of three depths; the middle one is shown large, too.
UNITS = ("convnet_test", ("conv2/3", "conv3/10", "conv5/3"))
PRESETS = ("sharp", "fast", "textbook")
PRESET_LAYERS = ("block4_sepconv2", "block8_sepconv1", "block13_sepconv1")


def rows_of_grid(path: Path, count: int) -> Image.Image:
    """The first rows of a filter grid."""
    picture = Image.open(path).convert("RGB")
    cell = picture.height // max(1, round(picture.height / (picture.width / ROW)))
    return picture.crop((0, 0, picture.width, min(cell * count, picture.height)))


def stack(pictures: list[Image.Image], gap: int = 6) -> Image.Image:
    """Pictures one below the other."""
    width = max(picture.width for picture in pictures)
    height = sum(picture.height + gap for picture in pictures) - gap
    canvas = Image.new("RGB", (width, height), "white")
    top = 0
    for picture in pictures:
        canvas.paste(picture, (0, top))
        top += picture.height + gap
    return canvas


def scaled(picture: Image.Image, width: int = 1000) -> Image.Image:
    """A picture so wide."""
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


def save(picture: Image.Image, name: str, width: int = 1000) -> None:
    """Write a picture at most so wide."""
    picture = scaled(picture, width) if picture.width > width else picture
    picture.convert("RGB").save(DOCS / name, quality=88)


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """A browser that sees the gallery."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        sys.exit("no chromium found: the pictures of the gallery were not made")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        opened = playwright.chromium.launch(executable_path=path, args=arguments)
        yield opened
        opened.close()


def seen(window: Any, address: str, width: int, height: int = 900, part: str = "") -> Image.Image:
    """A page of the gallery in a window so wide, or one part of it."""
    page = window.new_page(viewport={"width": width, "height": height})
    page.goto((STUDY / "gallery").as_uri() + "/" + address)
    page.wait_for_load_state("load")
    if part:
        page.locator(part).wait_for(state="visible")
        page.wait_for_load_state("networkidle")
    shot = page.locator(part).screenshot() if part else page.screenshot()
    page.close()
    return Image.open(io.BytesIO(shot)).convert("RGB")


def gallery_pictures() -> None:
    """The gallery's first page, the page of a unit, and those of three depths beside each other."""
    with browser() as window:
        save(seen(window, "index.html", 1200), "gallery.jpg")
        units = [f"units_{UNITS[0]}.html#{unit}" for unit in UNITS[1]]
        large = seen(window, units[1], 1100, part="#unit")
        save(large.crop((0, 0, large.width, min(large.height, 1590))), "unit.jpg", 1100)
        narrow = [seen(window, unit, 460, part="#unit") for unit in units]
    height = min(2050, *(picture.height for picture in narrow))
    canvas = Image.new("RGB", (sum(picture.width + 12 for picture in narrow) - 12, height), "white")
    left = 0
    for picture in narrow:
        canvas.paste(picture, (left, 0))
        left += picture.width + 12
    save(canvas, "units.jpg", 1300)


def notebook_pictures() -> None:
    """The figures of docs/notebook.md, by its own code."""
    sys.path.insert(0, str(ROOT))
    from tests.unit.notebook.pages import run

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        _, shown = run(DOCS / "notebook.md")
        save(Image.open("seen/sheet.png"), "notebook_watch.jpg", 1106)
    results = [value for value in shown if hasattr(value, "picture")]
    for result, name in zip(results, ("activations", "filters", "gradcam"), strict=False):
        result.save(DOCS / f"notebook_{name}.jpg")


def figure_thumbnails() -> None:
    """The thumbnails of the figure index: the default study's, and of what it has not, those of other finished studies."""
    (DOCS / "figures").mkdir(exist_ok=True)
    others = sorted(folder for folder in STUDY.parent.iterdir() if folder.is_dir() and folder != STUDY)
    for study in (*others, STUDY):
        for picture in (study / "gallery" / "pictures").glob("figure_*.jpg"):
            shutil.copyfile(picture, DOCS / "figures" / picture.name.removeprefix("figure_"))


def main() -> None:
    """Make all of them."""
    notebook_pictures()
    figure_thumbnails()
    pets = Image.open(STUDY / "datasets" / "pets" / "contact_sheet.png")
    save(pets, "pets.jpg")
    folder = STUDY / "filters"
    grids = [folder / model / "sharp" / f"filters_for_layer_{layer}.png" for model, layer in FILTER_LAYERS]
    save(stack([rows_of_grid(path, 2) for path in grids]), "filters.jpg")
    save(Image.open(STUDY / "cams" / "mini_xception" / "test" / "gradcam_sheet.png"), "gradcam.jpg", 1100)
    explained = STUDY / "attributions" / "convnet" / "test" / "side_by_side.png"
    save(Image.open(explained), "side_by_side.jpg", 1106)
    whole = Image.open(explained)
    save(whole.crop((0, 0, whole.width, whole.height * 47 // 100)), "why_cat.jpg", 1106)
    sheets = sorted((STUDY / "activations" / "convnet" / "one_cat" / "sheets").glob("*/*_conv2.png"))
    save(Image.open(sheets[0]), "activations.jpg")
    gallery_pictures()
    cheat = ROOT / "results" / "cheat" / "attributions"
    if cheat.is_dir():
        # The same cat, in the garden that the cheating model takes for a dog, explained for it and for the honest one.
        rows = [Image.open(cheat / model / "swapped" / "side_by_side.png") for model in ("cheat", "honest")]
        save(stack([row.crop((0, 0, row.width, row.height * 48 // 100)) for row in rows]), "cheat.jpg", 920)
    masks = ROOT / "results" / "segmentation" / "segmentation" / "net" / "test"
    if masks.is_dir():
        # The legend and the first rows of each sheet.
        sheets = [Image.open(masks / name) for name in ("masks.png", "gradcam_predicted.png")]
        save(stack([sheet.crop((0, 0, sheet.width, 308)) for sheet in sheets], gap=14), "segmentation.jpg")
    compared = ROOT / "results" / "architectures" / "comparisons" / "test"
    if compared.is_dir():
        save(Image.open(compared / "curves.png"), "architectures_curves.jpg")
        sheet = Image.open(compared / "cams.png").convert("RGB")
        height = sheet.height // ROW
        rows = [sheet.crop((0, height * row, sheet.width, height * (row + 1))) for row in (0, 3, 5)]
        save(stack(rows, gap=0), "architectures.jpg")
    presets = Path("results/presets/filters/xception")
    if presets.is_dir():
        # Of a study with the real Xception and these layers and presets; other weights would give another picture.
        rows = [
            stack(
                [scaled(rows_of_grid(presets / name / f"filters_for_layer_{layer}.png", 1)) for name in PRESETS], gap=0
            )
            for layer in PRESET_LAYERS
        ]
        save(stack(rows, gap=14), "presets.jpg", 800)
    print(f"wrote {', '.join(sorted(path.name for path in DOCS.glob('*.jpg')))}")


if __name__ == "__main__":
    main()
