"""`make test-changes`: change every leaf of the config and every kind of file, and say of each what reran and whether it is right.

Each change is made to a finished study, which then goes on, and to a fresh folder, and all results are compared. With --dry only the
schedule of the first is compared with the table. Patterns choose rows: `make test-changes ARGS="'cams.*' 'a mask*'"`.

With --together, leaves of different methods and presets (`attributions.lime.samples`, `attributions.rise.masks`), whose jobs have
nothing in common but the pages, are scheduled each by itself and then changed and compared in one go.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from tests.workflow.changes.docs import PAGE, page
from tests.workflow.changes.files import FILES, FileChange
from tests.workflow.changes.table import LeafChange, as_words, leaf_changes
from tests.workflow.changes.workshop import Workshop
from tests.workflow.preloaded import preloaded

ROOT = Path(__file__).resolve().parents[3]
# Rules with one job for all methods or presets of a model.
_SHARED = ("train_autoencoder", "side_by_side", "gallery", "index")


def faults(shop: Workshop, row: LeafChange | FileChange, dry: bool) -> tuple[str, list[str]]:
    """Make one row's change: the rules that ran, and what is wrong."""
    expected = row.reruns
    if dry or row.unrun:
        found = shop.dry(row.study, row.edits, row.act)
        return as_words(found), [f"the table says {as_words(expected)}"] if found != expected else []
    outcome = shop.full(row.study, row.edits, row.act)
    wrong = []
    if outcome.again:
        wrong.append(f"not finished: {as_words(outcome.again)}")
    if differ := [file for file in outcome.differ if not any(fnmatch(file, pattern) for pattern in row.differs)]:
        wrong.append(f"not as in a fresh folder: {', '.join(differ[:12])} ({len(differ)})")
    # Where what ran first gave what was there, nothing after it need run; if something should have, the results would say so.
    if missing := expected - outcome.ran:
        said = f"did not run: {as_words(missing)}"
        wrong += [said] if wrong else []
        if not wrong:
            print(f"    {said}: what it depends on came out as it was", flush=True)
    if left := [file for file in outcome.left if file.startswith(f"{row.edits.get('study', row.study)}/gallery/")]:
        wrong.append(f"left over in the gallery: {', '.join(left[:6])} ({len(left)})")
    if outcome.vain and set(outcome.ran) - {"gallery", "index"}:
        print("    what reran gave what was there", flush=True)
    if outcome.left:
        print(f"    left from before: {', '.join(outcome.left[:6])} ({len(outcome.left)})", flush=True)
    return as_words(outcome.ran), wrong


def together(rows: Sequence[LeafChange | FileChange]) -> list[list[LeafChange | FileChange]]:
    """Rows in groups of which no two depend on one method or preset: the first leaf of each, then the second ones."""
    groups: list[list[LeafChange | FileChange]] = []
    of_parts: dict[tuple[str, int], list[LeafChange | FileChange]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        section, *inner = row.name.split(".")
        part = inner[0] if len(inner) == 2 and section in ("attributions", "filters") else ""
        if not part or row.unrun or row.differs:
            groups.append([row])
            continue
        key = (f"{row.study} {section}", seen[section, part])
        seen[section, part] += 1
        if key not in of_parts:
            groups.append(of_parts.setdefault(key, []))
        of_parts[key].append(row)
    return groups


def one_of(rows: Sequence[LeafChange | FileChange]) -> LeafChange | FileChange:
    """One row of several: what they change together, and what reruns then."""
    if len(rows) == 1:
        return rows[0]
    reruns: Counter[str] = Counter()
    for row in rows:
        reruns += row.reruns
    # One job each of all methods together.
    reruns |= Counter({name: 1 for name in _SHARED if reruns[name]})
    for name in _SHARED:
        reruns[name] = min(reruns[name], 1)
    edits = {key: value for row in rows for key, value in row.edits.items()}
    return LeafChange(", ".join(row.name for row in rows), rows[0].study, edits, +reruns)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-changes", description=__doc__)
    parser.add_argument("patterns", nargs="*", default=["*"], help="rows to make, by name")
    parser.add_argument("--dry", action="store_true", help="compare what is scheduled with the table, and run nothing")
    parser.add_argument(
        "--together", action="store_true", help="compare leaves of different methods and presets in one go"
    )
    parser.add_argument("--docs", action="store_true", help=f"write {PAGE} from the table, and nothing else")
    parser.add_argument("--place", type=Path, help="a folder to work in and to keep (default: a temporary one)")
    args = parser.parse_args()
    if args.docs:
        (ROOT / PAGE).write_text(page(), encoding="utf-8")
        return 0
    rows = [row for row in [*leaf_changes(), *FILES] if any(fnmatch(row.name, pattern) for pattern in args.patterns)]
    bad = 0
    with tempfile.TemporaryDirectory() as temporary:
        place = args.place or Path(temporary)
        with preloaded(place / "preloaded") as path:
            shop = Workshop(ROOT, place / "workshop", path)
            for group in together(rows) if args.together else [[row] for row in rows]:
                runs = [(row, True) for row in group if len(group) > 1] + [(one_of(group), args.dry)]
                for row, dry in runs:
                    began = time.monotonic()
                    try:
                        ran, wrong = faults(shop, row, dry)
                    except Exception as error:
                        traceback.print_exc()
                        ran, wrong = "", [f"{type(error).__name__}: {str(error)[-2000:]}"]
                    bad += bool(wrong)
                    verdict = "ok" if not wrong else "; ".join(wrong)
                    how = "scheduled" if dry else "run and compared"
                    print(
                        f"{row.name}: {ran or 'nothing'} [{how}, {time.monotonic() - began:.0f} s] {verdict}",
                        flush=True,
                    )
    print(f"{len(rows)} changes, {bad} wrong")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
