"""The gallery at size, in a real browser from disk: how soon a page can be read, what it takes, how it scrolls.

`python -m bench.gallery --images 10000`: a study is made up whose one image set has as many pictures (real JPEG files of the size that
the pipeline writes, two methods' worth of numbers, no network behind them), its gallery is built, and its pages are opened in Chromium
by playwright, once as the machine is and once four times slower, as a small laptop.
"""

import argparse
import io
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from bench.lines import Line, table
from bench.numbers import spread
from convscope.gallery import build_gallery
from convscope.gallery.data_files import write_data
from convscope.jobs.job import say
from tests import gallery_fixture as fixture
from tests.chromium import CHROMIUM, FLAGS

SET = "all"
_DRAWN = 100  # as many different pictures; all others are copies of these, of other names
_SLOWER = 4.0


def _jpegs() -> list[bytes]:
    """Pictures of 224 x 224 px as detailed as photos are: about 30 kB each, as the pipeline saves them."""
    random, found = np.random.default_rng(0), []
    for seed in range(_DRAWN):
        rows, columns = np.mgrid[0:1:224j, 0:1:224j]
        waves = np.stack([127 + 80 * np.sin(9 * rows * k + 7 * columns + seed) for k in (1, 2, 3)], -1)
        noise = Image.fromarray(random.integers(0, 256, (224, 224, 3), np.uint8)).filter(ImageFilter.GaussianBlur(1.1))
        mixed = np.clip(waves + (np.asarray(noise, np.float32) - 127), 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(mixed).save(stream, "JPEG", quality=92, subsampling=0)
        found.append(stream.getvalue())
    return found


def make_study(root: Path, images: int) -> tuple[Path, dict[str, Any]]:
    """A results folder with an image set of as many explained pictures, and its config."""
    results = fixture.make_results(root)
    folder, drawn = results / "cams" / "convnet" / SET, _jpegs()
    listed, explained, chances = [], [], {}
    for kind in ("photos", "overlays"):
        (folder / "gradcam" / kind).mkdir(parents=True)
    for k in range(images):
        label, correct = k % 2, k % 10 != 0
        predicted, sure = (label if correct else 1 - label), 0.5 + (k * 7919 % images) / images / 2
        identity, path = f"pictures_{k:05}", f"data/pictures/{k:05}.jpg"
        photo, overlay = f"gradcam/photos/{identity}.jpg", f"gradcam/overlays/{identity}_cat_{k / 100:.2f}.jpg"
        for number, name in ((k, photo), (k + 1, overlay)):
            (folder / name).write_bytes(drawn[number % _DRAWN])
        about = (identity, path, fixture.CLASSES[label], label)
        listed.append((*about, ""))
        chances[identity] = [sure, 1 - sure] if predicted == 0 else [1 - sure, sure]
        answer = (fixture.CLASSES[predicted], predicted, round(sure, 4), correct)
        explained.append((*about, *answer, fixture.CLASSES[predicted], 1.5, False, photo, overlay))
    columns = "id,path,class,label,predicted,predicted_label,confidence,correct,target,score,empty,thumbnail,overlay"
    fixture.write_csv(folder / "gradcam.csv", columns, explained)
    fixture.write_chances(folder / "gradcam.h5", fixture.CLASSES, chances)
    fixture.write_csv(results / "image_sets" / f"{SET}.csv", "id,path,class,label,mask", listed)
    fixture.write_csv(results / "image_sets" / f"{SET}.bad.csv", "path,reason", [])
    config = fixture.asking("cams", images=[*fixture.SETS, SET])
    return results, config | {"image_sets": {**config["image_sets"], SET: {}}}


def memory(browser: Any) -> float:
    """MiB of all the browser's processes together, what they share counted once."""
    session = browser.new_browser_cdp_session()
    pids = [entry["id"] for entry in session.send("SystemInfo.getProcessInfo")["processInfo"]]
    session.detach()
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup")
        total += next(int(line.split()[1]) for line in rollup.read_text().splitlines() if line.startswith("Pss:"))
    return total / 1024


_SCROLL = """async () => {
  const frames = [];
  let before = performance.now();
  for (let k = 0; k < 200; k += 1) {
    scrollBy(0, 120);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - before);
    before = now;
  }
  return frames;
}"""
_SEEN = """() => [...document.images].every((image) => {
  const {top, bottom, width} = image.getBoundingClientRect();
  return bottom < 0 || top > innerHeight || !width || (image.complete && image.naturalWidth);
})"""


def look(playwright: Any, address: str, cells: str, slower: float) -> dict[str, float]:
    """Open a page in a fresh browser and scroll through it, quickly: 120 px a frame."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(180_000)
    page.goto("about:blank")
    empty = memory(browser)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(entry["value"] for entry in metrics if entry["name"] == "TaskDuration")

    began, idle = time.perf_counter(), busy()
    page.goto(address, wait_until="commit")
    page.wait_for_selector("main img, main .sprite")
    page.wait_for_function(_SEEN, polling=20)
    seen = time.perf_counter() - began
    page.wait_for_selector(cells)
    page.wait_for_function(_SEEN, polling=20)
    ready, opened = time.perf_counter() - began, busy()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    page.wait_for_load_state("load")
    first = memory(browser)
    before = busy()
    frames = page.evaluate(_SCROLL)
    page.wait_for_function(_SEEN, polling=20)
    result = {
        "first paint": paint / 1000,
        "pictures in sight": seen,
        "all can be reached": ready,
        "its thread": opened - idle,
        "memory": first - empty,
        "scrolling, a frame": statistics.median(frames),
        "slowest frame": max(frames),
        "its thread a frame": 1000 * (busy() - before) / len(frames),
        "memory then": memory(browser) - empty,
        "elements": page.evaluate("document.querySelectorAll('*').length"),
    }
    browser.close()
    return result


_BARS = {
    "first paint": 1.0,
    "pictures in sight": 1.0,
    "memory": 150.0,
    "memory then": 600.0,
    "scrolling, a frame": 34.0,
    "elements": 1500,
}
_UNITS = {"memory": "MiB", "memory then": "MiB", "elements": ""} | dict.fromkeys(
    ("scrolling, a frame", "slowest frame", "its thread a frame"), "ms"
)

# A page of units as a page of any table is made: see convscope/gallery/data_files.py.
_UNITS_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>units</title>
<link rel="stylesheet" href="gallery.css">
<script src="data.js" defer></script><script src="virtual.js" defer></script><script src="units.js" defer></script></head><body>
<main><h1>Units</h1><div id="units" aria-label="Units"></div></main></body></html>"""
_UNITS_SCRIPT = """convscope.table("units").then((table) => convscope.virtual(document.getElementById("units"), {
  count: table.count, least: 120, load: (from, to) => table.load(Array.from({length: to - from}, (_, k) => from + k)),
  sample: () => draw(table.row(0)), cell: (k) => { const row = table.row(k); return row && draw(row); },
}));
function draw(row) {
  const link = document.createElement("a");
  link.href = "#" + row.unit;
  link.className = "sprite";
  link.style.cssText = `--sheet: url("${row.sheet}"); --across: 1000%; --down: 1000%; background-position: ${row.x}% ${row.y}%`;
  const words = document.createElement("p");
  words.textContent = `${row.unit}: ${row.words}`;
  const box = document.createElement("div");
  box.append(link, words);
  return box;
}
"""


def make_units(folder: Path, units: int) -> Path:
    """A page of as many units with a picture each, cut from sheets of a hundred: beside the gallery's own scripts."""
    (folder / "sheets").mkdir()
    random = np.random.default_rng(1)
    for number in range(-(-units // 100)):
        small = Image.fromarray(random.integers(0, 256, (60, 60, 3), np.uint8))
        small.resize((960, 960), Image.Resampling.BICUBIC).save(folder / "sheets" / f"{number}.jpg", quality=88)
    columns: dict[str, list[Any]] = {
        "unit": [f"block{k // 2048}_sepconv {k % 2048}" for k in range(units)],
        "words": [("stripes", "dog head", "sky", "not known")[k * 7919 % 4] for k in range(units)],
        "sheet": [f"sheets/{k // 100}.jpg" for k in range(units)],
        "x": [k % 10 * 100 / 9 for k in range(units)],
        "y": [k % 100 // 10 * 100 / 9 for k in range(units)],
    }
    write_data(folder, "units", columns, whole=("words",))
    (folder / "units.js").write_text(_UNITS_SCRIPT)
    (folder / "units.html").write_text(_UNITS_PAGE)
    return folder / "units.html"


def main(args: argparse.Namespace) -> int:
    """Make, build, look; 0 where every bar is kept."""
    from playwright.sync_api import sync_playwright

    work = Path(tempfile.mkdtemp(prefix="gallery-"))
    try:
        say(f"making a study of {args.images} pictures in {work}")
        results, config = make_study(work / "results", args.images)
        out = results / "gallery" / "index.html"
        began = time.process_time()
        build_gallery(results, config, out)
        built = time.process_time() - began
        files = [path for path in out.parent.rglob("*") if path.is_file()]
        lines = [
            Line("gallery built, CPU", spread([built]), "s"),
            Line("files of the gallery", spread([len(files)]), "", 400, at_most=True),
            Line("their size", spread([sum(path.stat().st_size for path in files) / 2**20]), "MiB"),
        ]
        pages = {
            f"{args.images:,} pictures": (out.parent / f"images_convnet_{SET}.html", "[role=gridcell] img"),
            "one of them": (out.parent / f"image_convnet_{SET}.html", "[href^='#of=']"),
            f"{args.units:,} units": (make_units(out.parent, args.units), "[role=gridcell] .sprite"),
        }
        with sync_playwright() as playwright:
            for (name, (path, cells)), slower in itertools.product(pages.items(), (1.0, _SLOWER)):
                say(f"{name}, {slower:g} times slower")
                address = path.as_uri() + (f"#of=i-pictures_{args.images // 2:05}" if name == "one of them" else "")
                rounds = [look(playwright, address, cells, slower) for _ in range(args.rounds)]
                for what in rounds[0]:
                    words = f"{name}{f', {slower:g} times slower' if slower > 1 else ''}: {what}"
                    # What is four times slower is no machine that somebody scrolls so quickly on.
                    bar = None if slower > 1 and what.startswith("scrolling") else _BARS.get(what)
                    values = spread([one[what] for one in rounds])
                    lines.append(Line(words, values, _UNITS.get(what, "s"), bar, at_most=True))
        print(f"\n{args.images} pictures, {os.cpu_count()} cores\n\n{table(lines)}\n")
        return 0 if all(line.passed is not False for line in lines) else 1
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--images", type=int, default=10_000, help="pictures of the set (10,000)")
    arguments.add_argument(
        "--units", type=int, default=27_264, help="units of the page of units (27,264, those of an Xception)"
    )
    arguments.add_argument("--rounds", type=int, default=3, help="how often each page is opened (3)")
    sys.exit(main(arguments.parse_args()))
