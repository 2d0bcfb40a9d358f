"""What the workflow's own profile sets, where another workflow's run lacks it: said in one line as the run begins."""

import os
import sys
from pathlib import Path

# Of a file that is larger, Snakemake compares the time alone.
_COMPARED = 1_000_000_000
_said: set[str] = set()


def without_profile(profile: str | os.PathLike[str], largest_compared: int, goes_on: bool) -> str:
    """What is different in a run without the profile, in one line; "" where nothing is.

    Args:
        profile: its folder.
        largest_compared: size, in bytes, up to which this run compares files by content.
        goes_on: whether it makes again what a killed run left half made.
    """
    different = []
    if largest_compared < _COMPARED:
        different.append(
            f"files above {largest_compared / 1e6:g} MB are compared by time alone, so that touching one runs its jobs again"
        )
    if not goes_on:
        different.append("what a killed run left half made is made again only with --rerun-incomplete")
    if not different:
        return ""
    return f"convscope: without its profile {'; '.join(different)}. To have it: --workflow-profile {Path(profile)}"


def say_once(line: str) -> None:
    """Print a line to standard error, once in a process: a workflow may use this one twice."""
    if line and line not in _said:
        _said.add(line)
        print(line, file=sys.stderr, flush=True)
