"""The command: what it writes, says and ends with. Snakemake itself runs in tests/workflow/test_installed.py."""

import subprocess
import sys
from pathlib import Path

import pytest

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
    monkeypatch.setattr(module.os, "execve", lambda python, words, environment: programs.append(words[1:]))
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
