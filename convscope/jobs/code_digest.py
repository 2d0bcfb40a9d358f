"""Which code a step really uses, libraries included, and a digest of it: what must change for its results to be stale."""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import sys
from collections import Counter
from pathlib import Path

from convscope.backends.names import BACKENDS, DEFAULT
from convscope.storage.files import sha256_of, write_text

PACKAGES = ("convscope", "scripts")
# What a library is called where it is installed, where that is not what its users import.
_INSTALLED_AS = {
    "PIL": "pillow",
    "pillow_jxl": "pillow-jxl-plugin",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# They bring files from elsewhere: what the files hold counts, not how they came.
_FETCH = frozenset({"huggingface_hub", "kagglehub", "requests", "urllib3"})
# What computes for a library without being imported beside it.
_RUNS_ON = {"keras_hub": ("keras",), "lime": ("skimage", "sklearn")}
# They print, they parse arguments, they stop, they tell who is at work: no output file depends on them.
WITHOUT_EFFECT = frozenset(
    {"convscope.errors", "convscope.jobs.job", "convscope.storage.processes", "convscope.storage.runs"}
)
# What counts of what they use: it reads what a job is told.
_BEHIND = {"convscope.jobs.job": ("convscope.storage.arguments",)}
_SCOPES = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def libraries_used(module: str, root: Path, backend: str = DEFAULT) -> dict[str, str]:
    """The libraries from elsewhere that a module and what it uses of the project import: name -> version, "" if not installed.

    What a library uses in its turn counts only where it does the computing (Keras runs on its backend, and on no other); what only
    downloads does not.
    """
    names: set[str] = set()
    for path in modules_used(module, root).values():
        names.update(source.partition(".")[0] for level, source, *_ in _parsed(path)[0] if not level)
    names -= {*PACKAGES, *sys.stdlib_module_names, *_FETCH}
    names.update(other for name in list(names) for other in _RUNS_ON.get(name, ()))
    every = {library for libraries in BACKENDS.values() for library in libraries}
    if names & {"keras", *every}:
        names = names - every | set(BACKENDS[backend])
    return {name: _version_of(name) for name in sorted(names)}


@functools.cache
def _version_of(library: str) -> str:
    try:
        return importlib.metadata.version(installed_as(library))
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def installed_as(library: str) -> str:
    """What an installed library is called where its version stands; its own name where it is not installed."""
    name = _INSTALLED_AS.get(library, library)
    try:
        importlib.metadata.distribution(name)
        return name
    except importlib.metadata.PackageNotFoundError:
        if importlib.util.find_spec(library) is None:
            return name  # to look through all that is installed takes a second
        return next(iter(importlib.metadata.packages_distributions().get(library, [])), name)


def modules_used(module: str, root: Path) -> dict[str, Path]:
    """The module and every module of the project that it imports, directly or not: name -> file."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file_of(name, root)
        if path is None or name in found:
            continue
        if name in WITHOUT_EFFECT:
            waiting.extend(_BEHIND.get(name, ()))
            continue
        found[name] = path
        for _, names in _imports(name, path):
            waiting.extend(names)
        if above := name.rpartition(".")[0]:
            waiting.append(above)
    return found


def imports_of(module: str, root: Path) -> set[str]:
    """Names that a module may import from the project, at its top or anywhere in it; a name of a module's is among them, too."""
    path = _file_of(module, root)
    return {name for _, names in _imports(module, path) for name in names} if path else set()


# What is known of a source by the digest of its text: [imports, digest of its code without those of the project].
_known: dict[str, list] = {}


def code_digest(
    module: str, root: Path, cache_file: str | os.PathLike[str] | None = None, backend: str = DEFAULT
) -> str:
    """Digest of the code of a module and of all it imports, and of the versions of the libraries it uses.

    Comments, docstrings and layout do not count, nor do the names of modules: what is imported counts by what is found there, so that
    a file can move and nothing runs again.

    Args:
        module: dotted name ("scripts.ascend").
        root: folder that holds the packages.
        cache_file: JSON that keeps what parsing a source found, by its content; reading the workflow then parses nothing
            that was parsed before. Lost, damaged or unwritable, it costs time only.
        backend: what Keras runs on; its version counts where Keras is used.

    Returns:
        16 hexadecimal digits.
    """
    _recall(None if cache_file is None else os.fspath(cache_file))
    before = len(_known)
    used = modules_used(module, root)
    whole: dict[str, str] = {}
    lines = [_with_imports(name, used, whole) for name in used]
    digest = hashlib.sha256("".join(sorted(line for line in lines if line != _NOTHING)).encode())
    for name, version in libraries_used(module, root, backend).items():
        digest.update(f"{name} {version}\n".encode())
    if cache_file is not None and len(_known) > before:
        _keep(Path(cache_file))
    return digest.hexdigest()[:16]


def _with_imports(name: str, used: dict[str, Path], whole: dict[str, str]) -> str:
    """Digest of a module's code and of what each of its imports of the project brings, however far that comes from."""
    if name not in whole:
        whole[name] = own = _file_digest(used[name])  # what a circle of imports sees of the module it began with
        seen: Counter[str] = Counter()
        brought = []
        for imported, sources in _imports(name, used[name]):
            if not imported:
                continue
            source = next((source for source in sources if source in used or source in WITHOUT_EFFECT), "")
            seen[imported] += 1  # of two that bind one name the last one counts
            found = _with_imports(source, used, whole) if source in used else ""
            brought.append(f"{imported} {seen[imported]} {found}\n")
        if brought:
            whole[name] = hashlib.sha256("".join([own, "\n", *sorted(brought)]).encode()).hexdigest()
    return whole[name]


def _version() -> str:
    """What is found in a source is the work of this module and of Python's parser."""
    return f"{sys.version_info[:2]} {sha256_of(__file__)}"


@functools.cache
def _recall(cache_file: str | None) -> None:
    if cache_file is None:
        return
    try:
        kept = json.loads(Path(cache_file).read_text(encoding="utf-8"))
        if kept["version"] == _version():
            _known.update({key: [list(found[0]), str(found[1])] for key, found in kept["sources"].items()})
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return


def _keep(cache_file: Path) -> None:
    try:
        write_text(cache_file, json.dumps({"version": _version(), "sources": _known}))
    except OSError:
        return  # a read-only place, or another process wrote at the same time: the next one parses again


@functools.cache
def _file_of(name: str, root: Path) -> Path | None:
    if name.split(".")[0] not in PACKAGES:
        return None
    # Installed, the library lies beside the workflow's folder and not in it.
    place = root if (root / name.split(".")[0]).is_dir() else Path(__file__).resolve().parents[2]
    base = place.joinpath(*name.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _parsed(path: Path) -> list:
    """Of a source file: its imports as (level, module, names, what they are called where), and the digest of its code."""
    text = path.read_text(encoding="utf-8")
    key = hashlib.sha256(text.encode()).hexdigest()
    if key not in _known:
        tree = ast.parse(text, filename=str(path))
        imports = _imports_taken_out(tree)
        _known[key] = [imports, _code_of(tree).hexdigest()]
    return _known[key]


def _imports_taken_out(tree: ast.Module) -> list[tuple[int, str, list[str], list[str]]]:
    """The imports of a module as (level, module, names, what they are called where); those of the project leave a mark in the tree.

    A mark stands for a run of them, which is sorted by the names of modules; between other statements its place counts.
    """
    found: list[tuple[int, str, list[str], list[str]]] = []
    runs = 0

    def visit(node: ast.AST) -> None:
        nonlocal runs
        for field, value in ast.iter_fields(node):
            if not (isinstance(value, list) and value and isinstance(value[0], ast.stmt)):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        visit(child)
                continue
            kept: list[ast.stmt] = []
            for statement in value:
                left, own = _divided(statement)
                kept.extend(left)
                if own is not None:
                    if not (kept and isinstance(kept[-1], _Mark)):
                        kept.append(_Mark(names=["imports"]))
                        runs += 1
                    found.extend(_told(own, runs))
                for part in left:
                    found.extend(_told(part, 0))
                    visit(part)
            setattr(node, field, kept)

    visit(tree)
    return found


class _Mark(ast.Global):
    """Where imports of the project stood."""


def _is_own(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES


def _divided(statement: ast.stmt) -> tuple[list[ast.stmt], ast.stmt | None]:
    """A statement, and the part of it that imports from the project."""
    if isinstance(statement, ast.ImportFrom) and (statement.level or _is_own(statement.module or "")):
        return [], statement
    if isinstance(statement, ast.Import) and any(_is_own(alias.name) for alias in statement.names):
        own = [alias for alias in statement.names if _is_own(alias.name)]
        rest = [alias for alias in statement.names if not _is_own(alias.name)]
        return [ast.Import(names=rest)] if rest else [], ast.Import(names=own)
    return [statement], None


def _told(statement: ast.stmt, run: int) -> list[tuple[int, str, list[str], list[str]]]:
    if isinstance(statement, ast.Import):
        return [(0, alias.name, [], [f"{run} import {alias.asname}"]) for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        names = [alias.name for alias in statement.names]
        called = [f"{run} {alias.name} {alias.asname}" for alias in statement.names]
        return [(statement.level, statement.module or "", names, called)]
    return []


def _package_of(name: str, path: Path) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


@functools.cache
def _imports(name: str, path: Path) -> list[tuple[str, list[str]]]:
    """What a module imports, as (what it is called where, modules that may bring it); "" for what is imported from."""
    found: list[tuple[str, list[str]]] = []
    package = _package_of(name, path).split(".")
    for level, module, names, called in _parsed(path)[0]:
        parents = package[: len(package) - level + 1] if level else []
        source = ".".join([*parents, module]).strip(".")
        if source.partition(".")[0] in PACKAGES:
            if not names:
                found.append((called[0], [source]))
                continue
            found.append(("", [source]))
            # Of a module that is imported from its package the module counts, wherever the package lies.
            found.extend((what, [f"{source}.{one}", source]) for one, what in zip(names, called, strict=True))
    return found


@functools.cache
def _file_digest(path: Path) -> str:
    extras = []
    # Templates and style sheets beside a package's code are code too.
    if path.name == "__init__.py":
        for extra in sorted(p for p in path.parent.rglob("*") if p.suffix in {".j2", ".css", ".js"}):
            if next(folder for folder in extra.parents if (folder / "__init__.py").is_file()) == path.parent:
                extras.append(extra)
    if not extras:
        return str(_parsed(path)[1])
    tree = ast.parse(path.read_text(encoding="utf-8"))
    _imports_taken_out(tree)
    digest = _code_of(tree)
    for extra in extras:
        content = extra.read_bytes()
        digest.update(f"{extra.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _code_of(tree: ast.Module) -> "hashlib._Hash":
    """Hash of the code alone; the tree loses its docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *_SCOPES)):
            _drop_docstring(node)
    return hashlib.sha256(ast.dump(tree).encode())


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:]


_NOTHING = _code_of(ast.parse("")).hexdigest()
