"""Long settings and lists on the way to a script."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.errors import UserError
from convscope.storage.arguments import LONGEST, as_argument, as_arguments, read_arguments


def test_what_is_short_stays_as_it_is(tmp_path: Path) -> None:
    assert as_argument('{"a": "é"}', tmp_path) == '{"a": "é"}'
    assert as_arguments(["a b", "@c", ""], tmp_path) == ["a b", "@c", ""]
    assert read_arguments(["--a", '{"a": 1}', "@home.png", "-"]) == ["--a", '{"a": 1}', "@home.png", "-"]
    assert not list(tmp_path.iterdir())


def test_what_is_long_comes_back_whole(tmp_path: Path) -> None:
    text = json.dumps({"names": [f"ünïcode {number}" for number in range(5000)]}, ensure_ascii=False)
    words = [f"results/a b/{number}.h5" for number in range(3000)]
    given = [as_argument(text, tmp_path / "kept"), *as_arguments(words, tmp_path / "kept")]
    assert sum(map(len, given)) < 500
    assert read_arguments(given) == [text, *words]
    assert as_argument(text, tmp_path / "kept") == given[0], "named by its content"
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_list_with_a_line_break_in_a_name(tmp_path: Path) -> None:
    assert as_arguments(["a\nb"], tmp_path) == ["a\nb"]
    with pytest.raises(UserError, match="line break"):
        as_arguments(["a\nb", "x" * LONGEST], tmp_path)


def test_a_script_reads_them(tmp_path: Path, root: Path) -> None:
    program = "from convscope.jobs.job import parser, run\n"
    program += "def main(args): print(len(args.settings), len(args.shards))\n"
    program += "p = parser('')\np.add_argument('--settings')\np.add_argument('--shards', nargs='+')\nrun(main, p)\n"
    settings, shards = as_argument("s" * 200_000, tmp_path), as_arguments(["x" * 50] * 4000, tmp_path)
    command = [sys.executable, "-c", program, "--settings", settings, "--shards", *shards]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["200000", "4000"]


def test_what_looks_like_a_file_of_arguments_and_is_none(tmp_path: Path) -> None:
    for word in ("@text:d", "@lines:x"):
        assert read_arguments([as_argument(word, tmp_path)]) == [word]
        assert read_arguments(as_arguments(["a", word], tmp_path)) == ["a", word]
    with pytest.raises(UserError, match="line break"):
        as_arguments(["a\n", "x" * LONGEST], tmp_path)


def test_a_damaged_file_is_written_again(tmp_path: Path) -> None:
    given = as_argument("s" * 20_000, tmp_path)
    next(tmp_path.iterdir()).write_text("s" * 10)
    assert as_argument("s" * 20_000, tmp_path) == given and read_arguments([given]) == ["s" * 20_000]
