"""A config file as text: YAML's traps with file, line and remedy; the line of every key for all other messages."""

import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from convscope.config import complete
from convscope.errors import UserError
from convscope.storage.config_file import check_command_line, located, read_config_file
from tests.unit.test_config import STUDIES, STUDY

TRAPS: list[tuple[str, int, list[str]]] = [
    ("a: 1\nmodels:\n\tnet: 2\n", 3, ["a tab", "blanks"]),
    ("a: 1\nb:\t3\n", 2, ["a tab"]),
    ("a: [1, 2\nb: 3\n", 2, ["bracket opened in line 1", "']'"]),
    ("a:\n  b: {x: 1,\n     y: 2\nc: 3\n", 4, ["bracket opened in line 2", "'}'"]),
    ("a: [1, 2}\n", 1, ["bracket opened in line 1", "']'"]),
    ("a: 1\nb: {d: e]\n", 2, ["bracket opened in line 2", "'}'"]),
    ("a: 1\nb: cat, dog]\n", 2, ["closes a bracket that is not opened", "'cat, dog]' in quotes"]),
    ("a: {b: c}}\n", 1, ["'}' closes a bracket that is not opened"]),
    ('a: "x\nb: 1\n', 3, ["quotation mark opened in line 1"]),
    ("a: 1\na: 2\n", 2, ["the key 'a' is already in line 1", "lost"]),
    ("models: {n: 1}\nseed: 1\nmodels: {m: 1}\n", 3, ["'models' is already in line 1"]),
    ("a:\n  - b: 1\n    c: 2\n    b: 3\n", 4, ["'b' is already in line 2"]),
    ('{"a": 1,\n\t"b": {"c": 1, "c": 2}}\n', 2, ["'c' is already in line 2"]),
    ("rate: 1e-3\n", 1, ["1e-3 is text", "write 0.001"]),
    ("a: {rate: 1E-7}\n", 1, ["1E-7 is text", "write 1.0e-07"]),
    ("a: [2, .5e2]\n", 1, [".5e2 is text", "write 50.0"]),
    ("rate: 1.5e3\n", 1, ["1.5e3 is text", "write 1500.0"]),
    ("a: .nan\n", 1, [".nan is no number"]),
    ("a: [1,\n    -.inf]\n", 2, ["-.inf is no number"]),
    ("seed: 010\n", 1, ["octal", "write 10 ("]),
    ("classes: [12:30]\n", 1, ["base 60", "'12:30' in quotes"]),
    ("study: 2024-01-31\n", 1, ["date", "'2024-01-31' in quotes"]),
    ("classes:\n  no: 1\n", 2, ["the key no", "yes or no", "'no' in quotes"]),
    ("models:\n  1: x\n", 2, ["the key 1", "a number", "'1' in quotes"]),
    ("a: {width: 0,7}\n", 1, ["the key 7", "point, not a comma"]),
    ("splits: {train:tr, test: te}\n", 1, ["blank is missing behind the colon of 'train:tr'"]),
    ("a: b: c\n", 1, ["no colon can stand here"]),
    ("a: @x\n", 1, ["'@'", "quotes"]),
    ("a: *x\n", 1, ["'*x'", "anchor"]),
    ("a: !thing 3\n", 1, ["'!thing'"]),
    ("? [a, b]\n: 1\n", 1, ["a key must be text"]),
    ("a:\n  - b\n - c\n", 3, ["indentation"]),
    ("a: 1\n---\nb: 2\n", 3, ["second document"]),
    ("a: 1\nb: x\x01y\n", 2, ["character"]),
    ("a: &x\n  b: *x\n", 1, ["alias"]),
    ("a: 1\n__use_yte__: true\n?1+1: 2\n", 2, ["run code"]),
    ("a: !!python/object/apply:os.system [ls]\n", 1, ["python/object/apply:os.system", "no place"]),
    ("!!python/name:os.system : 1\n", 1, ["python/name:os.system", "no place"]),
    (f"seed: {'9' * 5000}\n", 1, ["a number of 5000 digits (99999999999999999999...)"]),
    (f"seed: 0x{'f' * 5000}\n", 1, ["a number of 5002 digits"]),
    (f'{{"seed": {"9" * 5000}}}\n', 1, ["a number of 5000 digits"]),
    ('a: "\\ud800"\n', 1, ["character that no text may hold"]),
    ("a: b\0\n", 1, ["character that no text may hold"]),
]


def write(folder: Path, text: str) -> Path:
    (folder / "my study.yaml").write_bytes(text.encode())
    return folder / "my study.yaml"


@pytest.mark.parametrize(("text", "line", "words"), TRAPS, ids=[repr(text) for text, _, _ in TRAPS])
def test_traps(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_config_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}: ") and "\n" not in message, message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "word\n", "3\n"])
def test_a_file_without_keys(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="holds no keys"):
        read_config_file(write(tmp_path, text))


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"title: K\xe4se\n")
    with pytest.raises(UserError, match="not UTF-8 text"):
        read_config_file(tmp_path / "latin.yaml")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_config_file(tmp_path)
    with pytest.raises(UserError, match=r"^none.yaml: cannot be read: No such file"):
        monkeypatch.chdir(tmp_path)
        read_config_file(tmp_path / "none.yaml")


def bombs() -> dict[str, str]:
    """Short texts that are long when every alias stands for what it means."""
    names = "abcdefghij"
    lists = [f"{this}: &{this} [{','.join([f'*{last}'] * 10)}]" for last, this in pairwise(names)]
    maps = [
        f"{this}: &{this} {{{', '.join(f'k{number}: *{last}' for number in range(10))}}}"
        for last, this in pairwise(names)
    ]
    merged = [f"{this}: &{this} {{<<: [{','.join([f'*{last}'] * 30)}]}}" for last, this in pairwise(names)]
    return {
        "lists": "\n".join(["a: &a [x, x, x]", *lists]),
        "mappings": "\n".join(["a: &a {x: 1}", *maps]),
        "merged": "\n".join(["a: &a {x: 1}", *merged]),
    }


@pytest.mark.parametrize("kind", bombs())
def test_aliases_count_each_time(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UserError, match="more than 200000 keys and entries, aliases counted each time"):
        read_config_file(write(tmp_path, bombs()[kind]))


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 100_000 + "]" * 100_000, "a: " + "{a: " * 50_000 + "}" * 50_000, "a:\n" + "- " * 100_000 + "x\n"],
    ids=["lists", "mappings", "dashes"],
)
def test_nested_without_end(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"my study\.yaml: nested too deeply$"):
        read_config_file(write(tmp_path, text))


def test_what_is_no_text_file_of_a_usual_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in (b"\xff\xfes\0t\0u\0", os.urandom(5000) + b"\xff"):
        (tmp_path / "a.yaml").write_bytes(content)
        with pytest.raises(UserError, match="not UTF-8 text"):
            read_config_file(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read_config_file(tmp_path / "a.yaml").places[("a",)].text == "1"
    with (tmp_path / "large.yaml").open("wb") as stream:
        stream.truncate(100_000_000)
    with pytest.raises(UserError, match="100 MB, and a config has 2 at most"):
        read_config_file(tmp_path / "large.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    for special in ("/dev/zero", str(tmp_path / "pipe.yaml")):
        with pytest.raises(UserError, match="a pipe or a device, not a file"):
            read_config_file(special)
        with pytest.raises(SystemExit):
            check_command_line(["snakemake", "--configfile", special])
        assert "a pipe or a device" in capsys.readouterr().err


def test_the_files_that_a_command_line_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = write(tmp_path, "a: [\n"), tmp_path / "good.yaml"
    good.write_text("a=b: 1\n")
    for arguments in (
        ["snakemake", str(bad)],
        ["snakemake", "--configfile", str(good), "--cores", "2", str(bad)],
        ["snakemake", "--configfile", str(tmp_path / "none.yaml")],
    ):
        check_command_line(arguments)
    assert capsys.readouterr().err == ""
    for arguments in (
        ["--configfile", str(bad), "-n"],
        ["--cores", "2", f"--configfile={bad}"],
        ["--configfiles", str(good), str(bad)],
    ):
        with pytest.raises(SystemExit) as stopped:
            check_command_line(["snakemake", *arguments])
        assert stopped.value.code == 1
        assert capsys.readouterr().err.startswith(f"config: {bad}, line 2: ")


def test_what_is_no_trap(tmp_path: Path) -> None:
    text = (
        "a: 0.001\nb: 1.0e-3\nc: '1e-3'\nd: yes\ne: ~\nf:\ng: 1_000\nh: 0\ni: http://a:1/b\nj: {<<: &x {k: 1}, l: *x}\n"
        'k: "2024-01-31"\nl: 1.0e+3\nm: {"a:1": 3}\nn: |\n  a: 1\n  a: 2\no: -5\n'
    )
    read_config_file(write(tmp_path, text))
    assert yaml.safe_load(text)["b"] == 0.001
    read_config_file(write(tmp_path, "\ufeff" + json.dumps(STUDY, indent="\t")))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_of_the_project_is_without_traps(path: Path) -> None:
    assert read_config_file(path).places[("study",)].line < 20


FILE = """\
study: small
sede: 3
models:
  net: {source: train,
        dataset: pet}
  other:
    classes:
    - cat
    - no
activations:
  net: {images: [few, fow],
    layers: [a]}
"""


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("study: 'a b' does not match", 1),
        ("the top level: unknown key 'sede'; did you mean 'seed'?", 2),
        ("models.net: unknown key 'source'; x", 4),
        ("models.net.dataset: dataset 'pet' does not exist", 5),
        ("models.net.width is too large", 4),
        ("models.other.classes.1: False is not of type 'string' (x)", 9),
        ("activations.net.images: image set 'fow' does not exist", 11),
        ("activations.net.layers: layer 'b' does not exist", 12),
        ("activations.nett: model 'nett' does not exist", 10),
    ],
)
def test_a_message_gets_the_line_of_its_key(tmp_path: Path, message: str, line: int) -> None:
    path = write(tmp_path, FILE)
    assert located(message, [read_config_file(path)]).startswith(f"{path}, line {line}: {message}")


def test_what_stands_in_no_file_has_no_line(tmp_path: Path) -> None:
    file = read_config_file(write(tmp_path, FILE))
    for message in ("the top level: the key 'datasets' is missing", "filters.net: x", "", "cams: x"):
        assert located(message, [file]) == message
    assert located("study: x", []) == "study: x"
    for given, shown in (
        ({"study": "x"}, "--config: study: x"),
        ({"models": {}}, f"{file.name}, line 1: study: x"),
    ):
        assert located("study: x", [file], given) == shown
    assert located("models.net.dataset: x", [file], {"models": {"net": {"dataset": "y"}}}).startswith("--config: ")
    assert located("models.net.dataset: x", [file], {"models": {"other": 1}}).startswith(f"{file.name}, line 5: ")


def test_of_several_files_the_last_that_has_the_key_counts(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("\n\nmodels: {net: {dataset: dog}}\n")
    files = [read_config_file(write(tmp_path, FILE)), read_config_file(tmp_path / "b.yaml")]
    assert located("models.net.dataset: x", files).startswith(f"{tmp_path / 'b.yaml'}, line 3: ")
    assert located("models.net.source: x", files).startswith(f"{tmp_path / 'my study.yaml'}, line 4: ")
    assert located("study: x", files).startswith(f"{tmp_path / 'my study.yaml'}, line 1: ")


def test_a_word_that_yaml_takes_for_another_is_named_as_it_is_written(tmp_path: Path) -> None:
    file = read_config_file(write(tmp_path, FILE))
    said = located("models.other.classes.1: False is not of type 'string' (x)", [file])
    assert said.endswith("; write 'no' in quotes if it is a name")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_passes_no_minimum(value: float) -> None:
    for path, part in (
        ("models.net.learning_rate", {"learning_rate": value}),
        ("models.net.dropout", {"dropout": value}),
    ):
        study = STUDY | {"models": {"net": STUDY["models"]["net"] | part}}
        with pytest.raises(UserError, match=f"{path}: .* is no number"):
            complete(study)


def test_numbers_of_json_are_numbers(tmp_path: Path) -> None:
    """Snakemake reads JSON as JSON, where 1e-3 lacks nothing; YAML's traps are none there."""
    path = tmp_path / "study.json"
    path.write_text('{"rate": 1e-3,\n\t"more": [2E5, -1.5e+3, "1e-3", 0]}')
    places = read_config_file(path).places
    assert [places[key].kind for key in (("rate",), ("more", 0), ("more", 1), ("more", 2), ("more", 3))] == [
        "float",
        "float",
        "float",
        "str",
        "int",
    ]


def test_a_name_of_a_config_is_told_in_one_line(tmp_path, capsys):
    strange = tmp_path / "a\nb\x1b[2J.yaml"
    strange.write_text("a: [\n")
    with pytest.raises(SystemExit):
        check_command_line(["snakemake", "--configfile", str(strange)])
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "a\\nb\\x1b[2J.yaml, line 2" in said
