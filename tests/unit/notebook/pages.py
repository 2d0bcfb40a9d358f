"""A page's code run as a notebook runs it: cell by cell, showing what a cell ends in."""

import ast
import re
from pathlib import Path
from typing import Any


def cells(page: Path) -> list[str]:
    """The page's blocks of Python."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def run(page: Path) -> tuple[dict[str, Any], list[Any]]:
    """Run all cells in one namespace. Returns it, and the last expression's value of each cell that ends in one."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown: list[Any] = []
    for number, cell in enumerate(cells(page), start=1):
        tree = ast.parse(cell, f"{page.name}, cell {number}")
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{page.name}, cell {number}", "exec"), names)  # noqa: S102 (our own page)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), f"{page.name}, cell {number}", "eval"), names)  # noqa: S307
            shown += [] if value is None else [value]
    return names, shown
