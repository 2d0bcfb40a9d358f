"""A job that memory is lacking for says in one line which key to lower."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.jobs.lack_of_memory import KEYS, told

FULL = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_the_line_names_a_key_and_the_whole_story_is_in_the_log(root: Path, tmp_path: Path) -> None:
    script, log = tmp_path / "cam.py", tmp_path / "cam.log"
    script.write_text(
        "from convscope.jobs.job import parser, run\n\n"
        f"def main(args):\n    raise RuntimeError({str(FULL)!r})\n\nrun(main, parser(''))\n"
    )
    command = [sys.executable, str(script), "--log", str(log)]
    done = subprocess.run(command, cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith(
        "cam: error: too little memory is left on the processor that computes; write a smaller 'batch' under 'cams:'"
    )
    assert line.endswith(f"(the whole story is in {log})") and "Traceback" not in done.stderr
    assert "Traceback" in log.read_text()


def test_what_is_none_is_left_to_others() -> None:
    assert told(ValueError("shapes do not fit"), "cam") == ""
    assert "'image_size'" in told(FULL, "activations")


def test_patterns_of_concepts_have_the_size_of_their_preset_not_that_of_the_pictures(root: Path) -> None:
    assert "; write 'patterns: fast' or 'patterns: none' under 'concepts:', or end" in told(FULL, "concept_patterns")
    written = (root / "schemas" / "concepts.yaml").read_text(encoding="utf-8")
    assert re.search(r"patterns: {enum: \[sharp, fast, textbook, none\]", written)


def test_every_key_is_one_of_the_config(root: Path) -> None:
    for stage, key in KEYS.values():
        written = (root / "schemas" / f"{stage}.yaml").read_text(encoding="utf-8")
        assert re.search(rf"(?m)^ +{key}:", written), f"{stage}: {key}"


@pytest.mark.parametrize(
    "sign", [r'settings\["batch"\]', r'"--batch", type=int, required=True', r'settings\["batch_size"\]']
)
def test_every_script_that_is_told_how_much_at_once_has_its_key(root: Path, sign: str) -> None:
    named = {path.stem for path in (root / "scripts").glob("*.py") if re.search(sign, path.read_text(encoding="utf-8"))}
    assert named <= set(KEYS), "KEYS of convscope/jobs/lack_of_memory.py"
    assert set(KEYS) <= {path.stem for path in (root / "scripts").glob("*.py")}
