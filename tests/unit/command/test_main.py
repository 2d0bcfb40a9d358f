"""The command: what it writes, says and ends with. Snakemake itself runs in tests/workflow/test_installed.py."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from convscope.command import main as module
from convscope.command.main import main

STUDY = "study: mine\nmodels: {net: {source: application, application: ResNet50}}\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, said.out, said.err


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Python would go on as."""
    programs: list[list[str]] = []
    monkeypatch.setattr(module.os, "execv", lambda python, words: programs.append(words[1:]))
    return programs


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(STUDY)
    return tmp_path


def test_run_is_snakemake(became: list[list[str]], root: Path) -> None:
    snakefile = str(root / "Snakefile")
    for arguments, words in (
        (["mine.yaml"], ["--cores", "all", "--configfile", "mine.yaml"]),
        (["mine.yaml", "--", "-n", "--cores", "3"], ["-n", "--cores", "3", "--configfile", "mine.yaml"]),
        (["mine.yaml", "--", "-c2"], ["-c2", "--configfile", "mine.yaml"]),
        (["mine.yaml", "--", "--workflow-profile=slurm"], ["--workflow-profile=slurm", "--configfile", "mine.yaml"]),
        ([], ["--cores", "all"]),
    ):
        with pytest.raises(SystemExit):
            main(["run", *arguments])
        assert became.pop() == ["-m", "snakemake", "--snakefile", snakefile, *words]


def test_a_study_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "check", "progress"):
        code, _, said = run(capsys, command, "gone.yaml")
        assert (code, said.count("\n")) == (1, 1) and "'gone.yaml' does not exist" in said


def test_check_says_file_and_line(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    assert run(capsys, "check", "mine.yaml")[:2] == (0, "mine.yaml: all is well (0 datasets, 1 models, 0 image_sets)\n")
    (here / "mine.yaml").write_text(STUDY.replace("ResNet50", "ResNet51"))
    code, _, said = run(capsys, "check", "mine.yaml")
    assert code == 1 and "mine.yaml" in said and "2" in said and "did you mean 'ResNet50'" in said
    (here / "mine.yaml").write_text("study: [")
    assert run(capsys, "check", "mine.yaml")[0] == 1


def test_a_study_file_is_never_replaced_without_a_word(
    capsys: pytest.CaptureFixture[str], here: Path, became: list[list[str]]
) -> None:
    (here / "cat.png").touch()
    again = ("explain", "ResNet50", "cat.png", "--study", "other", "--only-write")
    assert run(capsys, *again)[0] == 0
    written = (here / "other.yaml").read_text()
    assert run(capsys, *again)[0] == 0, "the same text is no change"
    (here / "other.yaml").write_text(written + "# mine\n")
    code, _, said = run(capsys, *again)
    assert code == 1 and "--force" in said and (here / "other.yaml").read_text().endswith("# mine\n")
    assert run(capsys, *again, "--force")[0] == 0 and (here / "other.yaml").read_text() == written
    assert not became
    run_it = [word for word in again if word != "--only-write"]
    with pytest.raises(SystemExit):
        main([*run_it, "--", "-n"])
    assert became == [["-m", "snakemake", *became[0][2:]]] and became[0][-2:] == ["--configfile", "other.yaml"]
    assert "open results/other/gallery/index.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--help"], *([name, "--help"] for name in ("explain", "init", "run", "check", "progress"))]
)
def test_help_has_an_example_and_imports_nothing_heavy(arguments: list[str], root: Path) -> None:
    program = "import sys\nfrom convscope.command.main import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
    program += "    assert not {'tensorflow', 'keras', 'snakemake', 'matplotlib'} & set(sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: convscope")
    assert len(arguments) == 1 or f"  convscope {arguments[0]} " in done.stdout.partition("example")[2]


def test_arguments_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys)[0] == 2
    assert run(capsys, "check", "mine.yaml", "--", "-n")[0] == 2
    assert run(capsys, "explain", "ResNet50")[0] == 2


def test_classes_from_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "names.txt").write_text("cat, tabby\n\ndog\n")
    (here / "cat.png").touch()
    assert run(capsys, "explain", "ResNet50", "cat.png", "--classes", "names.txt", "--only-write")[0] == 0
    assert 'classes: ["cat, tabby", dog]' in (here / "explain_ResNet50.yaml").read_text()


def test_what_would_be_read_over_the_study_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = run(capsys, "run", "mine.yaml", "--", "--configfile", "other.yaml")
    assert code == 1 and "before --" in said


def test_cores_that_are_told_are_kept(became: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["-j1"], ["-j", "1"], ["-c1"], ["--jobs=3"]):
        with pytest.raises(SystemExit):
            main(["run", "mine.yaml", "--", *words])
        assert "all" not in became.pop()
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "mine")
    with pytest.raises(SystemExit):
        main(["run", "mine.yaml"])
    assert "all" not in became.pop()


def test_a_study_that_cannot_run_is_not_written(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    (here / "empty").mkdir()
    (here / "cat.png").touch()
    for arguments, what in (
        (["ResNet50", "empty"], "no picture lies in 'empty'"),
        (["ResNet50", "cat.png", "--image-size", "-5"], "image_size"),
        (["ResNet50", "cat.png", "--study", "../up"], "no name of a study"),
        (["ResNet50", "cat.png", "--study", "my study"], "no name of a study"),
    ):
        code, _, said = run(capsys, "explain", *arguments, "--only-write")
        assert code == 1 and said.count("\n") == 1 and what in said, said
    assert sorted(path.name for path in here.glob("*.yaml")) == ["mine.yaml"]


def test_classes_by_any_editor_and_in_any_number(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "cat.png").touch()
    (here / "names.txt").write_bytes(b"\xef\xbb\xbfcat\r\ndog\r\n")
    again = ("explain", "ResNet50", "cat.png", "--only-write", "--force", "--classes")
    assert run(capsys, *again, "names.txt")[0] == 0
    assert "classes: [cat, dog]" in (here / "explain_ResNet50.yaml").read_text()
    assert run(capsys, *again, ",".join(f"class{number}" for number in range(300)))[0] == 0
    (here / "names.txt").write_bytes(b"b\xe4r\n")
    code, _, said = run(capsys, *again, "names.txt")
    assert code == 1 and "UTF-8" in said and "Traceback" not in said


def test_a_study_in_json_is_read_as_snakemake_does(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.json").write_text('{\n\t"study": "mine",\n\t"models": {}\n}\n')
    assert run(capsys, "check", "mine.json")[0] == 0


def test_any_key_of_the_model_can_be_set(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    (here / "cat.png").write_bytes(b"")
    settings = ["preprocessing.scale=0.5", "preprocessing.offset=-1", "image_size=96", "weights=imagenet"]
    chosen = [word for setting in settings[:-1] for word in ("--set", setting)]
    code, _, said = run(capsys, "explain", "ResNet50", "cat.png", "--only-write", *chosen)
    assert code == 1 and "preprocessing" in said, "an application has its own"
    assert (
        run(capsys, "explain", "ResNet50", "cat.png", "--only-write", "--set", settings[2], "--set", settings[3])[0]
        == 0
    )
    written = yaml.safe_load((here / "explain_ResNet50.yaml").read_text())["models"]["ResNet50"]
    assert written == {"source": "application", "application": "ResNet50", "image_size": 96, "weights": "imagenet"}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("preprocessing", "KEY=VALUE is expected"),
        ("=tf", "KEY=VALUE is expected"),
        ("preprocessing=[", "is no YAML"),
        ("colour=blue", "'colour'"),
    ],
)
def test_settings_that_are_none(capsys: pytest.CaptureFixture[str], here: Path, setting: str, said: str) -> None:
    (here / "cat.png").write_bytes(b"")
    code, _, error = run(capsys, "explain", "ResNet50", "cat.png", "--only-write", "--set", setting)
    assert code == 1 and said in error and error.count("\n") == 1


def test_a_key_has_a_value_or_others_inside() -> None:
    assert module._settings(["a.b=1", "a.c=x", "d=[1, 2]"]) == {"a": {"b": 1, "c": "x"}, "d": [1, 2]}
    with pytest.raises(module.UserError, match="'a' has a value already"):
        module._settings(["a=1", "a.b=2"])


def test_a_size_is_a_side_or_a_height_and_a_width() -> None:
    assert module._size("224") == 224
    assert module._size("64x128") == [64, 128]
    for wrong in ("64x", "x", "64x128x3", "big"):
        with pytest.raises(argparse.ArgumentTypeError, match="no size; write a side"):
            module._size(wrong)
