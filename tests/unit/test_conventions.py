"""The files that other programs look for are of their form, and name what exists."""

import ast
import importlib.util
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def test_the_citation_is_of_this_project() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(cited), "what the format requires"
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software"
    assert cited["title"].lower() == project["name"] and cited["license"] == project["license"]
    assert [set(author) for author in cited["authors"]] == [{"name"}], "an entity, no persons"
    assert "version" not in cited, "it comes from the git tag"
    known = {"cff-version", "message", "type", "title", "abstract", "authors", "keywords", "license"}
    assert set(cited) <= known


def test_the_workflow_catalogue_is_told_what_exists() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    for path in re.findall(r"\b(?:profiles|envs|config)/\w+", usage["mandatory-flags"]["desc"]):
        assert (ROOT / path).exists()
    assert usage["software-stack-deployment"] == {"conda": True, "singularity": False, "singularity+conda": False}
    rules = [path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk")]
    environments = {path for text in rules for path in re.findall(r'conda:\s+"\.\./(envs/[^"]+)"', text)}
    assert environments and all((ROOT / path).is_file() for path in environments)
    assert usage["report"] is any("report(" in text for text in rules)
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme, "the catalogue finds a workflow by these words"


def test_what_several_stages_use_blames_no_stage_s_key() -> None:
    """A room below the stages is told whose key is at fault: watching makes class activation maps, too."""
    sections = yaml.safe_load((ROOT / "schemas" / "study.yaml").read_text(encoding="utf-8"))["properties"]
    stages = [name for name, part in sections.items() if "$ref" in part and name not in ("models", "study")]
    blamed = re.compile(rf"({'|'.join(stages)})(: |\.)")
    # `convscope.check` puts the model's key in its place.
    told_otherwise = {"convscope/filters/presets.py"}
    wrong = []
    for room in ("pictures", "models", "evaluation", "activations", "filters", "cams", "attributions"):
        for path in sorted((ROOT / "convscope" / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if name not in told_otherwise else ():
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError" and node.args:
                    said = node.args[0]
                    first = said.values[0] if isinstance(said, ast.JoinedStr) else said
                    if isinstance(first, ast.Constant) and blamed.match(str(first.value)):
                        wrong.append(f"{name}:{node.lineno}: {first.value}")
    assert wrong == []


def test_what_a_job_reads_is_an_argument_of_its_own() -> None:
    """What becomes a path only later is not looked at before the job begins, and it may be computed from a damaged file."""
    users = {"ascend_objective.py"}  # a direction is the user's file, and has no seal
    rules = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "rules").glob("*.smk")))
    wrong = []
    for path in sorted((ROOT / "scripts").glob("*.py")):
        if f'code("{path.stem}")' not in rules or path.name in users:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Path":
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a checkout of git")
def test_no_file_of_the_repository_is_large_and_no_picture_lies_at_its_top() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    large = {path.name: size for path in files if path.is_file() and (size := path.stat().st_size) > 1_000_000}
    assert large == {}
    assert [
        path.name for path in files if path.parent == ROOT and path.suffix in (".png", ".jpg", ".h5", ".keras")
    ] == []


def test_what_no_package_imports_by_itself_is_imported_by_its_name() -> None:
    """`import urllib` and then `urllib.request` goes well as long as somebody else in the process imported it: in tests, always."""
    by_themselves = {  # checked by hand: each of these has the parts that are used, once it is imported alone
        "h5py", "jax", "keras", "keras_hub", "numpy", "os", "requests", "shap", "tensorflow", "torch", "urllib3", "yaml",
    }  # fmt: skip
    wrong = []
    for path in [*sorted((ROOT / "convscope").rglob("*.py")), *sorted((ROOT / "scripts").glob("*.py"))]:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        imported, names = set(), {}
        for node in nodes:
            if isinstance(node, ast.Import):
                for part in node.names:
                    imported.add(part.name)
                    names[part.asname or part.name.partition(".")[0]] = (
                        part.name if part.asname else part.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.update(
                    node.module if part.name == "*" else f"{node.module}.{part.name}" for part in node.names
                )
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
                package = names[node.value.id]
                used = f"{package}.{node.attr}"
                known = any(name == used or name.startswith(f"{used}.") for name in imported)
                if not known and package.partition(".")[0] not in by_themselves and is_module(used):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {used}")
    assert wrong == []


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module and no package
        return False


def test_what_a_killed_job_goes_on_from_ends_last_of_all() -> None:
    """Snakemake removes what an interrupted job wrote: a script that forgets by itself loses all where it is killed while it seals."""
    wrong = []
    for path in sorted((ROOT / "scripts").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("forget", "forget_state"):
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []
