"""Run many random networks through the library and print what differs from Keras, with the smallest network that shows it."""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> int:
    """Run them; the exit status says whether anything differs.

    They run in a process of their own: what ends it is a fault like any other, named, and the rest is run all the same.
    """
    settings = _arguments()
    if settings.told is not None:
        return _run(settings)
    last, different = settings.first + settings.count - 1, False
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "number"
        while settings.first <= last:
            words = ["--first", str(settings.first), "--count", str(last - settings.first + 1), "--told", str(told)]
            words += ["--whole"] * settings.whole + (["--only", *settings.only] if settings.only else [])
            code = subprocess.run([sys.executable, "-W", "ignore", "-m", "tests.fuzz", *words], check=False).returncode
            different |= code != 0
            if code in (0, 1):
                break
            number = int(told.read_text())
            print(f"network {number}: the process ended ({code})\n{draw_of(number)}", flush=True)
            settings.first = number + 1
    return 1 if different else 0


def draw_of(number: int) -> str:
    """The network of a number, in words."""
    from tests.fuzz.generate import draw

    recipe = draw(number)
    return recipe.text("    ") if recipe else ""


def _arguments() -> argparse.Namespace:
    from tests.fuzz.checks import CHECKS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="number of the first network: where an earlier run ended")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--only", nargs="*", choices=sorted(CHECKS), help="these checks; default: all")
    parser.add_argument("--whole", action="store_true", help="print the network as it was drawn, not the smallest one")
    parser.add_argument("--told", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(settings: argparse.Namespace) -> int:
    import keras

    from tests.fuzz.checks import failures
    from tests.fuzz.generate import draw
    from tests.fuzz.recipes import Recipe
    from tests.fuzz.shrink import smallest
    from tests.fuzz.subject import NotValid

    done = refused = different = 0
    began = time.monotonic()
    for number in range(settings.first, settings.first + settings.count):
        settings.told.write_text(str(number))
        recipe = draw(number)
        try:
            found = failures(recipe, number, settings.only) if recipe else None
        except NotValid:
            found = None
        if found is None:
            refused += 1
            continue
        done += 1
        different += bool(found)
        for check, what in found.items():

            def shows(
                candidate: Recipe, check: str = check, kind: str = what.partition(":")[0], number: int = number
            ) -> bool:
                try:
                    again = failures(candidate, number, [check]).get(check)
                except Exception:
                    return False
                return again is not None and (check != "canonical" or again.partition(":")[0] == kind)

            least = recipe if settings.whole else smallest(recipe, shows)
            shown = what if settings.whole else failures(least, number, [check]).get(check, what)
            print(f"network {number}, {check}: {what}\n  smallest: {shown}\n{least.text('    ')}", flush=True)
        if done % 20 == 0:
            keras.backend.clear_session()
            gc.collect()
        if done % 100 == 0:
            pace = done / (time.monotonic() - began)
            print(f"{done} networks ({number + 1} drawn), {different} differ, {pace:.1f} a second", flush=True)
    last = settings.first + settings.count - 1
    print(f"networks {settings.first} to {last}: {done} run, {refused} not valid in Keras, {different} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
