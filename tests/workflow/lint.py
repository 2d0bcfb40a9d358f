"""Snakemake's lint of the workflow, but for one of its opinions: `python -m tests.workflow.lint`.

It wants rules and functions in different files. Here what a stage's rules take stands above them, so that a rule file is read from
top to bottom; what is plain Python is in the library.
"""

import subprocess
import sys

_LEFT_OUT = "Mixed rules and functions in same snakefile."


def findings(printed: str) -> list[str]:
    """What `snakemake --lint` found, a line each, without what is left out."""
    found, place = [], ""
    for line in printed.splitlines():
        if line.startswith("Lints for "):
            place = line.removeprefix("Lints for ")
        elif line.startswith("    * ") and _LEFT_OUT not in line:
            found.append(f"{place} {line.removeprefix('    * ')}")
    return found


def main() -> int:
    done = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    found = findings(printed)
    # It ends with 1 after what is left out, too; without any finding it has stopped for another reason.
    if done.returncode and "Lints for " not in printed:
        found = [printed]
    print(*found, sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
