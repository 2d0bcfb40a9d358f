"""The workflow runs wherever it lies, wherever it is started, and as a part of other workflows: jobs run, not only plans."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]

STUDY = {
    "study": "here",
    "datasets": {"pets": {"source": "drawn_pets", "image_size": 64, "images_per_class": {"test": 2}}},
    "models": {"net": {"source": "file", "path": "net.keras", "image_size": 32, "classes": ["cat", "dog"]}},
    "image_sets": {"all": {"dataset": "pets", "split": "test"}},
    "cams": {"net": {"images": ["all"]}},
}
MODULES = """
import yaml

ONE = yaml.safe_load(open("study.yaml"))
TWO = {**ONE, "study": "there", "seed": 7}


module one:
    snakefile: SNAKEFILE
    config: ONE
    prefix: "first of two"


use rule * from one as one_*


module two:
    snakefile: SNAKEFILE
    config: TWO
    prefix: "zweites ä"


use rule * from two as two_*


rule all:
    default_target: True
    input:
        rules.one_all.input,
        rules.two_all.input,
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A user's folder with a study, and with things that are called like the workflow's own."""
    import keras

    folder = tmp_path / "a user's ördner"
    for name in ("scripts", "convscope", "rules"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise ImportError('not this one')\n")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Conv2D(4, 3, name="conv1"), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((32, 32, 3)), *layers]).save(folder / "net.keras")
    return folder


def run(place: Path, *arguments: str, python: Path | None = None) -> str:
    """Snakemake as a user calls it who has it installed, and no search path of this project's; what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CONVSCOPE"))}
    paths = [*([str(python)] if python else []), "/usr/bin", "/bin"]
    command = [str(python / "python") if python else sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    done = subprocess.run(
        command,
        cwd=place,
        env={**environment, "PATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_from_another_folder_and_a_checkout_that_is_only_read(sources: Project, place: Path, tmp_path: Path) -> None:
    """Also without an activated environment: jobs take the Python that runs Snakemake."""
    checkout = tmp_path / "ein check-out: größer"
    shutil.copytree(sources.folder, checkout)
    for path in [*checkout.rglob("*"), checkout]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(checkout)
    try:
        arguments = ("--snakefile", str(checkout / "Snakefile"), "--configfile", "study.yaml")
        run(place, *arguments)
        assert snapshot(checkout) == before
        assert "Nothing to be done" in run(place, *arguments)
    finally:
        for path in checkout.rglob("*"):
            path.chmod(0o755)
    results = place / "results"
    assert (results / "here/cams/net/all/gradcam_sheet.png").is_file()
    assert 'href="here/gallery/index.html"' in (results / "index.html").read_text()
    shutil.move(place / "results", tmp_path / "moved")
    # Where the checkout lies counts for nothing: from its old place nothing is stale.
    shutil.move(tmp_path / "moved", place / "results")
    assert "Nothing to be done" in run(place, "--snakefile", str(sources.folder / "Snakefile"), *arguments[2:])


def test_the_directory_may_be_named(sources: Project, place: Path, tmp_path: Path, servers: Path) -> None:
    arguments = ("--directory", str(place), "--snakefile", str(sources.folder / "Snakefile"), "-n")
    assert "draw_pets" in run(tmp_path, *arguments, "--configfile", str(place / "study.yaml"), python=servers)
    # Without a config the embedded study is meant, which has 400 pictures to draw and three networks to train.
    printed = run(tmp_path, *arguments, python=servers)
    assert "train_model" in printed


@pytest.mark.long
def test_as_a_module_twice_in_one_workflow(sources: Project, place: Path, servers: Path) -> None:
    snakefile = repr(str(sources.folder / "Snakefile"))
    (place / "Snakefile").write_text(MODULES.replace("SNAKEFILE", snakefile), encoding="utf-8")
    printed = run(place, python=servers)
    assert printed.count("convscope: without its profile") == 1, "said once, at the start"
    assert printed.index("without its profile") < printed.index("Finished jobid")
    for prefix, study in (("first of two", "here"), ("zweites ä", "there")):
        results = place / prefix / "results"
        assert (results / study / "cams/net/all/gradcam_sheet.png").is_file()
        assert f'href="{study}/gallery/index.html"' in (results / "index.html").read_text()
    assert not (place / "results").exists(), "all lies below the prefix"
    assert "Nothing to be done" in run(place, python=servers)
    profile = ("--workflow-profile", str(sources.folder / "profiles/default"))
    assert "without its profile" not in run(place, *profile, python=servers)


@pytest.mark.long
def test_a_rule_of_a_module_is_changed_and_one_study_lies_below_two_prefixes(
    sources: Project, place: Path, servers: Path
) -> None:
    """Of a module, Snakemake reads the rules again for each `use rule`; the run is the same."""
    snakefile = repr(str(sources.folder / "Snakefile"))
    text = MODULES.replace("SNAKEFILE", snakefile).replace('"study": "there", "seed": 7', '"seed": 7')
    changed = "use rule layers from one as one_layers with:\n    threads: 2\n\n\nrule all:"
    (place / "Snakefile").write_text(text.replace("rule all:", changed), encoding="utf-8")
    wanted = [f"{prefix}/results/here/models/net/layers.csv" for prefix in ("first of two", "zweites ä")]
    run(place, *wanted, python=servers)
    assert all((place / name).is_file() for name in wanted)


@pytest.mark.parametrize(
    ("snakefile", "said"),
    [
        ('include: "HERE/Snakefile"\n', "Convscope is included; use it as a module"),
        (
            'module one:\n    snakefile: "HERE/Snakefile"\n\n\nuse rule * from one\n',
            "a module of Convscope needs config:",
        ),
        (
            'import yaml\n\n\nmodule one:\n    snakefile: "HERE/Snakefile"\n    config: yaml.safe_load(open("study.yaml"))\n'
            '    pathvars:\n        study="elsewhere"\n\n\nuse rule * from one\n',
            "pathvars: study is Convscope's own",
        ),
    ],
)
def test_uses_that_would_make_nothing(sources: Project, place: Path, snakefile: str, said: str) -> None:
    (place / "Snakefile").write_text(snakefile.replace("HERE", str(sources.folder)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "-n"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr


def test_two_checkouts_in_one_workflow_are_refused(sources: Project, place: Path, tmp_path: Path) -> None:
    """The library is imported once: the second one's rules would run the first one's code, without a word."""
    shutil.copytree(sources.folder, tmp_path / "other")
    first, second = (repr(str(folder / "Snakefile")) for folder in (sources.folder, tmp_path / "other"))
    text = MODULES.replace("SNAKEFILE", first, 1).replace("SNAKEFILE", second, 1)
    (place / "Snakefile").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "-n"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "two versions of Convscope in one workflow" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_longer_than_linux_takes(sources: Project, place: Path, servers: Path) -> None:
    """One argument of 131,072 bytes is refused: a set of 2,500 named pictures, and as many classes, were too much."""
    snakefile = ("--snakefile", str(sources.folder / "Snakefile"), "--configfile", "study.yaml")
    run(place, "results/here/datasets/pets/images.csv", *snakefile, python=servers)
    one = next((place / "results/here/datasets/pets/drawn").rglob("*.png"))
    pictures = [place / "pictures" / f"{number:04d}_{'n' * 40}.png" for number in range(2500)]
    (place / "pictures").mkdir()
    for picture in pictures:
        os.link(one, picture)
    study = {**STUDY, "image_sets": {"all": {"files": [str(path.relative_to(place)) for path in pictures]}}, "cams": {}}
    assert len(json.dumps(study)) > 131_072
    (place / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    wanted = ("results/here/image_sets/all.csv", "results/here/gallery/index.html")
    run(place, *wanted, *snakefile, python=servers)
    assert (place / wanted[0]).read_text().count("\n") == 2501
    assert "Nothing to be done" in run(place, *wanted, *snakefile, python=servers)
