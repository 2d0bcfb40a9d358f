"""Seals: every kind of damage is found, in files, folders and chunks; what is whole is not accused."""

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from convscope.storage import deflated, store
from convscope.storage.chunk_digests import CHUNK, ChunkDigests, from_bytes, located
from convscope.storage.chunks import ChunkWriter
from convscope.storage.digests import digest_of_bytes, digest_of_file, digest_of_parts
from convscope.storage.seals import (
    Fault,
    asked_as,
    below,
    every_seal,
    faults,
    output_of,
    read_seal,
    seal,
    seal_file,
    seal_over,
    study_of,
)

LOG = "logs/ascend/net.textbook.conv1.log"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "tiny"
    (folder / "filters").mkdir(parents=True)
    (folder / "filters" / "conv1.h5").write_bytes(bytes(range(256)) * 20)
    pictures = folder / "cams" / "gradcam"
    (pictures / "inner").mkdir(parents=True)
    for number in range(3):
        (pictures / "inner" / f"{number}.png").write_bytes(bytes([number]) * 100)
    return folder


def kinds(found: list[Fault]) -> list[tuple[str, str]]:
    return [(fault.kind, fault.file) for fault in found]


def test_digests_are_of_the_whole_content(tmp_path: Path) -> None:
    # https://github.com/Cyan4973/xxHash: the published value of the empty input.
    assert digest_of_bytes(b"") == "99aa06d3014798d86001c324468d497f"
    content = os.urandom(3_000_001)
    (tmp_path / "file").write_bytes(content)
    assert digest_of_file(tmp_path / "file") == digest_of_bytes(content)
    parts = [(0, 5), (2_000_000, 1_000_001)]
    assert digest_of_parts(tmp_path / "file", parts) == digest_of_bytes(content[:5] + content[2_000_000:])


def test_a_file_and_a_folder_are_whole_until_something_happens(study: Path) -> None:
    for name in ("filters/conv1.h5", "cams/gradcam"):
        known = seal(study, study / name, LOG)
        assert read_seal(study, name) == known and not faults(study, known) and not faults(study, known, quick=True)
        assert known.job == "ascend net.textbook.conv1"
    assert [known.output for _, known in every_seal(study) if known] == ["cams/gradcam", "filters/conv1.h5"]


def test_every_flipped_bit_of_a_file_is_found(study: Path) -> None:
    path = study / "filters" / "conv1.h5"
    known, content = seal(study, path, LOG), path.read_bytes()
    for place in range(0, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        assert kinds(faults(study, known)) == [("changed", "filters/conv1.h5")]
    path.write_bytes(content)
    assert not faults(study, known)


def test_cut_emptied_missing_and_grown(study: Path) -> None:
    path = study / "filters" / "conv1.h5"
    known = seal(study, path, LOG)
    for content, kind in ((path.read_bytes()[:-1], "cut"), (b"", "emptied"), (path.read_bytes() + b"x", "changed")):
        path.write_bytes(content)
        for quick in (True, False):
            assert kinds(faults(study, known, quick=quick)) == [(kind, "filters/conv1.h5")]
    path.unlink()
    assert kinds(faults(study, known)) == [("missing", "filters/conv1.h5")]
    path.mkdir()
    assert kinds(faults(study, known)) == [("missing", "filters/conv1.h5")]


def test_a_folder_says_which_of_its_files(study: Path) -> None:
    folder = study / "cams" / "gradcam"
    known = seal(study, folder, LOG)
    (folder / "inner" / "0.png").unlink()
    (folder / "inner" / "1.png").write_bytes(b"")
    (folder / "inner" / "2.png").write_bytes(b"\x07" * 100)
    (folder / "stranger.png").write_bytes(b"mine")
    (folder / ".snakemake_timestamp").touch()
    (folder / ".2.png.0123.part.png").touch()
    assert kinds(faults(study, known)) == [
        ("missing", "cams/gradcam/inner/0.png"),
        ("emptied", "cams/gradcam/inner/1.png"),
        ("changed", "cams/gradcam/inner/2.png"),
        ("foreign", "cams/gradcam/stranger.png"),
    ]
    assert kinds(faults(study, known, only="inner/2.png")) == [("changed", "cams/gradcam/inner/2.png")]
    over = seal_over(study, folder / "inner" / "2.png")
    assert over is not None and over.output == "cams/gradcam"
    assert seal_over(study, study / "filters" / "conv1.h5") is None


def test_a_seal_that_is_damaged_is_not_believed(study: Path) -> None:
    seal(study, study / "filters" / "conv1.h5", LOG)
    place = seal_file(study, "filters/conv1.h5")
    whole = place.read_text()
    for text in (whole.replace("5120", "5121"), whole[:-20], "", "[]", "{}"):
        place.write_text(text)
        with pytest.raises(ValueError, match=r"conv1\.h5\.json"):
            read_seal(study, "filters/conv1.h5")
        assert [known for _, known in every_seal(study)] == [None]


def forge(study: Path, **changed: Any) -> Path:
    """A seal with another content, and the right digest of that."""
    seal(study, study / "filters" / "conv1.h5", LOG)
    place = seal_file(study, "filters/conv1.h5")
    facts = {**json.loads(place.read_text()), **changed}
    del facts["seal"]
    sealed = {"seal": digest_of_bytes(json.dumps(facts, sort_keys=True).encode()), **facts}
    place.write_text(json.dumps(sealed))
    return place


@pytest.mark.parametrize(
    "output",
    [
        *("/etc", "../other", "../../../home", "a/../../b", "", "../../figures/../x", "../../figures"),
        *("seals", "logs/a", "n" * 300, "a\0b", ["a"]),
    ],
)
def test_a_strangers_seal_leads_nowhere_else(study: Path, output: Any) -> None:
    forge(study, output=output)
    with pytest.raises(ValueError, match="nothing that a study makes"):
        read_seal(study, "filters/conv1.h5")


@pytest.mark.parametrize(
    "changed",
    [{"made_by": 5}, {"inputs": [1]}, {"inputs": 1}, {"files": {"": [float("inf"), ""]}}, {"files": []}, {"more": 1}],
)
def test_a_seal_of_other_kinds_of_values_is_a_damaged_one(study: Path, changed: dict[str, Any]) -> None:
    forge(study, **changed)
    assert [known for _, known in every_seal(study)] == [None]


def test_what_is_no_seal_at_all_is_a_damaged_one(study: Path) -> None:
    seal(study, study / "filters" / "conv1.h5", LOG)
    place = seal_file(study, "filters/conv1.h5")
    place.write_text("[" * 200_000)
    assert [known for _, known in every_seal(study)] == [None]
    place.unlink()
    place.mkdir()
    with pytest.raises(ValueError, match="directory"):
        read_seal(study, "filters/conv1.h5")


def test_a_table_of_chunks_that_no_file_has() -> None:
    for column, value in (("offset", 1 << 63), ("bytes", 1 << 63), ("layer", 2)):
        table = np.zeros(2, CHUNK)
        table[column] = value
        with pytest.raises(ValueError, match="no file has"):
            from_bytes(("one", "two"), ChunkDigests((), table).as_bytes())


def test_a_damaged_seal_tells_by_its_place_what_it_is_of(study: Path) -> None:
    for output in ("filters/conv1.h5", "cams/gradcam", "../../figures/first"):
        assert output_of(study, seal_file(study, output)) == output


def test_what_a_file_manager_leaves_is_no_damage(study: Path) -> None:
    folder = study / "cams" / "gradcam"
    known = seal(study, folder, LOG)
    for name in (".DS_Store", "inner/.hidden", "inner/Thumbs.db"):
        (folder / name).write_text("litter")
    assert faults(study, known) == []


def test_one_file_is_looked_for_without_listing_the_folder(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = seal(study, study / "cams" / "gradcam", LOG)
    monkeypatch.setattr(os, "walk", lambda *_: pytest.fail("the folder is listed"))
    assert faults(study, known, only="inner/2.png") == []
    (study / "cams" / "gradcam" / "inner" / "2.png").unlink()
    assert kinds(faults(study, known, only="inner/2.png")) == [("missing", "cams/gradcam/inner/2.png")]


def test_a_figure_lies_beside_all_studies(study: Path) -> None:
    folder = study / ".." / ".." / "figures" / "first"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"1")
    known = seal(study, folder, "logs/figure/first.log")
    assert known.output == "../../figures/first" and read_seal(study, known.output) == known
    (folder / "a.png").write_bytes(b"2")
    assert kinds(faults(study, known)) == [("changed", "../../figures/first/a.png")]


def test_a_figure_of_a_study_on_another_disk(study: Path) -> None:
    here = study.parent.parent
    (here / "disk").mkdir()
    study.parent.rename(here / "disk" / "results")
    study.parent.symlink_to(here / "disk" / "results")
    (here / "figures" / "first").mkdir(parents=True)
    (here / "figures" / "first" / "a.png").write_bytes(b"1")
    known = seal(study, here / "figures" / "first", "logs/figure/first.log")
    assert known.output == "../../figures/first" and faults(study, known) == []


def test_names_of_any_kind(study: Path) -> None:
    long, odd = "n" * 251 + ".h5", os.fsdecode(b"caf\xe9 \n'\"<b>.png")
    folder = study / "maps"
    folder.mkdir()
    (folder / odd).write_bytes(b"1")
    (study / long).write_bytes(b"2")
    for path in (folder, study / long):
        known = seal(study, path, LOG)
        assert read_seal(study, below(study, path)) == known and not faults(study, known)


def test_the_study_is_the_folder_of_the_logs(tmp_path: Path) -> None:
    assert study_of(Path("results/logs/logs/cam/a.log")) == Path("results/logs")
    assert study_of(tmp_path / "here.log") is None and study_of(None) is None
    assert below(Path("results/tiny"), Path("results/tiny/models/a.keras")) == "models/a.keras"
    assert (
        below(Path("results/tiny"), Path("results/other/a")) == "" == below(Path("results/tiny"), Path("results/tiny"))
    )


@pytest.fixture
def shard(study: Path) -> Path:
    """Two layers of three images: one written past the cache in two chunks an image, one that is deflated."""
    path, random = study / "shard.h5", np.random.default_rng(0)
    first = random.normal(size=(3, 8, 64, 40)).astype(np.float32)
    with store.create(path, page_aligned=True) as file:
        writer = ChunkWriter(file)
        writer.dataset("layers/one", first.shape, first.dtype, (1, 4, 64, 40))
        second = deflated.dataset(file, "layers/two", (3, 5, 5, 2), "f4", (1, 5, 5, 2))
        digests: list[dict[tuple[int, ...], int]] = [{}, {}]
        for image in range(3):
            for row in (0, 4):
                writer.write("layers/one", (image, row, 0, 0), first[image, row : row + 4])
                digests[0][image, row, 0, 0] = writer.last_digest
            values = np.full((1, 5, 5, 2), image, np.float32)
            digests[1][image, 0, 0, 0] = deflated.write(second, (image, 0, 0, 0), values)
        writer.close()
        file["statistics"] = np.arange(1000.0)
        chunks = located(file, ["one", "two"], digests, "layers/")
    seal(study, path, LOG, chunks=chunks)
    return path


def test_every_byte_of_a_large_file_is_sealed_without_reading_its_chunks(study: Path, shard: Path) -> None:
    known = read_seal(study, "shard.h5")
    assert known is not None and known.chunks is not None and len(known.chunks.table) == 9
    assert not faults(study, known)
    content = shard.read_bytes()
    for place in [*range(0, len(content), 4099), len(content) - 1]:
        with shard.open("r+b") as file:
            file.seek(place)
            file.write(bytes([content[place] ^ 0x10]))
        assert kinds(faults(study, known)) == [("changed", "shard.h5")], place
        with shard.open("r+b") as file:
            file.seek(place)
            file.write(content[place : place + 1])
    assert not faults(study, known)


def test_the_map_that_is_damaged_is_named(study: Path, shard: Path) -> None:
    known = read_seal(study, "shard.h5")
    assert known is not None and known.chunks is not None
    with h5py.File(shard, "r+") as file:
        file["layers/one"][1, 5, 3, 3] += 1
    assert known.chunks.damaged(shard) == [("one", 1)]
    assert known.chunks.damaged(shard, "one", [0, 2]) == [] == known.chunks.damaged(shard, "two", [1])
    assert known.chunks.damaged(shard, "one", [1]) == [("one", 1)]
    # The rest is whole: a job that reads other maps may go on.
    assert not faults(study, known, deep=False)
    place = seal_file(study, "shard.h5").with_suffix(".chunks.npy")
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"shard\.h5\.json"):
        read_seal(study, "shard.h5")


def test_a_seal_is_plain_json(study: Path) -> None:
    seal(study, study / "filters" / "conv1.h5", LOG, inputs=["models/net/model.keras", "filters/conv1.h5"])
    facts = json.loads(seal_file(study, "filters/conv1.h5").read_text())
    assert facts["files"] == {"": [5120, digest_of_file(study / "filters" / "conv1.h5")]}
    assert (facts["made_by"], facts["inputs"]) == (LOG, ["models/net/model.keras"])


def test_the_pages_are_asked_for_by_the_first(study: Path) -> None:
    assert asked_as(study, "gallery") == study / "gallery" / "index.html"
    assert asked_as(study, "cams/gradcam") == study / "cams" / "gradcam"
