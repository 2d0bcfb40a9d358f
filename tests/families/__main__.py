"""Measure every family of networks, each in a process of its own, and write docs/models.md: `make docs-models`."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> int:
    """Measure; the exit status says whether a family fails in anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="families whose name holds this text; the others keep their rows")
    parser.add_argument("--one", type=int, help="measure one family by its number, and print the row as JSON")
    parser.add_argument("--rows", type=Path, default=Path(__file__).with_name("rows.json"), help="what is known so far")
    settings = parser.parse_args()
    if settings.one is not None:
        from tests.families.facts import measure
        from tests.families.networks import FAMILIES

        print("\n" + json.dumps(measure(FAMILIES[settings.one])))
        return 0
    from tests.families.networks import FAMILIES
    from tests.families.page import is_whole, write_page

    rows = {row["family"]: row for row in json.loads(settings.rows.read_text())} if settings.rows.is_file() else {}
    for number, family in enumerate(FAMILIES):
        if settings.only and settings.only not in family.name:
            continue
        command = [sys.executable, "-W", "ignore", "-m", "tests.families", "--one", str(number)]
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: os.nice(5))
        lines = done.stdout.strip().splitlines()
        if done.returncode:
            print(f"{family.name}: ended with {done.returncode}\n{done.stderr[-3000:]}", flush=True)
            rows.pop(family.name, None)
            continue
        rows[family.name] = json.loads(lines[-1])
        print(f"{family.name}: {'right' if is_whole(rows[family.name]) else lines[-1]}", flush=True)
        settings.rows.write_text(
            json.dumps([rows[each.name] for each in FAMILIES if each.name in rows], indent=1) + "\n"
        )
    missing = [each.name for each in FAMILIES if each.name not in rows]
    write_page([rows[each.name] for each in FAMILIES if each.name in rows], missing)
    return 0 if all(each.name in rows and is_whole(rows[each.name]) for each in FAMILIES) else 1


if __name__ == "__main__":
    sys.exit(main())
