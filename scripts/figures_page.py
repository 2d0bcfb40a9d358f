"""Write the page of the docs that lists every figure, from the index."""

import argparse
from pathlib import Path

from convscope.figure_index.names import FIGURES
from convscope.jobs.job import parser, run, say

PAGE = Path(__file__).parent.parent / "docs" / "figures.md"
PICTURES = PAGE.parent / "figures"
_HEAD = """# Every figure, by its name

Each is made by one command, `snakemake --cores all figures/NAME`, with `--configfile my_study.yaml` for a study of your own: its
pictures at full size, a part of a study each, in the folder `figures/NAME` of where the command is given, with a list of what they
are made of. What they take is made first, or taken from the results that are there; nothing else is. A study that does not ask for
the figure is told what its config wants. The gallery has the same list, with the study's own pictures. (This page is made by
`make docs`; the thumbnails are those of the default study, or, where it has none, of another ready one.)
"""


def page() -> str:
    """The page's text."""
    lines = [_HEAD]
    for name, figure in FIGURES.items():
        lines.append(f"## {figure.title}\n\n{figure.shows}\n")
        if (PICTURES / f"{name}.jpg").is_file():
            lines.append(f"![{figure.title}](figures/{name}.jpg)\n")
        lines.append(f"```sh\nsnakemake --cores all figures/{name}\n```\n\n```yaml\n{figure.config}\n```\n")
    return "\n".join(lines)


def main(args: argparse.Namespace) -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    say(f"{PAGE}: {len(FIGURES)} figures")


if __name__ == "__main__":
    run(main, parser(__doc__))
