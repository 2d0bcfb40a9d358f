"""Which code a step really uses, and a digest of it: what must change for its results to be stale."""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGES = ("convscope", "scripts")
# They print, they parse arguments, they stop: no output file depends on them.
WITHOUT_EFFECT = frozenset({"convscope.job", "convscope.errors"})


def modules_used(module: str, root: Path) -> dict[str, Path]:
    """The module and every module of the project that it imports, directly or not: name -> file."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file_of(name, root)
        if path is None or name in found or name in WITHOUT_EFFECT:
            continue
        found[name] = path
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting.extend(_imports(path, package))
        if package:
            waiting.append(package)
    return found


def code_digest(module: str, root: Path) -> str:
    """Digest of the code of a module and of all it imports; comments, docstrings and layout do not count.

    Args:
        module: dotted name ("scripts.ascend").
        root: folder that holds the packages.

    Returns:
        16 hexadecimal digits.
    """
    used = modules_used(module, root)
    digest = hashlib.sha256()
    for name in sorted(used):
        digest.update(f"{name} {_file_digest(used[name])}\n".encode())
    return digest.hexdigest()[:16]


def _file_of(name: str, root: Path) -> Path | None:
    if name.split(".")[0] not in PACKAGES:
        return None
    base = root.joinpath(*name.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@functools.cache
def _imports(path: Path, package: str) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, node.module or ""]).strip(".")
            names.append(source)
            names.extend(f"{source}.{alias.name}" for alias in node.names)
    return tuple(names)


@functools.cache
def _file_digest(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    digest = hashlib.sha256(ast.dump(tree).encode())
    # Templates and style sheets beside a package's code are code too.
    if path.name == "__init__.py":
        for extra in sorted(p for p in path.parent.rglob("*") if p.suffix in {".j2", ".css", ".js"}):
            if next(folder for folder in extra.parents if (folder / "__init__.py").is_file()) == path.parent:
                digest.update(extra.read_bytes())
    return digest.hexdigest()


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]
