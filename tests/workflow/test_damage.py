"""Results that are damaged when they lie there: found, named, never computed from, and exactly those made again."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from convscope.storage.seals import every_seal, seal_file
from tests.workflow.conftest import TINY, Project

pytestmark = pytest.mark.slow
MODEL = "models/net/model.keras"


def flip(path: Path) -> None:
    """Turn one bit in the middle and leave size and time as they are, as a bad disk does."""
    content, before = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def first(folder: Path) -> Path:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))[0]


def verify(project: Project, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "convscope", "verify", TINY, *arguments],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def same(project: Project, wanted: Project) -> list[str]:
    """The files that differ from an undisturbed study's, but for those that tell seconds, as their seals say, and these seals."""
    timed = {
        str(name)
        for _, known in every_seal(wanted.study)
        if known is not None and known.timed
        for name in (
            *(Path("tiny", known.output, file) for file in known.timed),
            Path("tiny/seals", f"{known.output}.json"),
        )
    }
    assert "tiny/models/net/history.csv" in timed
    before, now = wanted.files(), project.files()
    assert before.keys() == now.keys(), before.keys() ^ now.keys()
    return [name for name in before if before[name] != now[name] and name not in timed]


def test_every_file_of_a_study_is_sealed(finished: Project) -> None:
    done = verify(finished)
    assert done.returncode == 0 and done.stdout.count("\n") == 1 and "none damaged or missing" in done.stdout


def test_all_kinds_of_damage_are_named_and_only_those_made_again(copy: Project, finished: Project) -> None:
    study = copy.study
    flip(study / MODEL)
    flip(study / "filters/net/textbook/stem_conv.h5")
    shard = study / "activations/net/few/shards/0000.h5"
    flip(shard)
    cut = study / "cams/net/few/gradcam.h5"
    cut.write_bytes(cut.read_bytes()[:-100])
    emptied = first(study / "cams/net/few/gradcam")
    emptied.write_bytes(b"")
    missing = first(study / "cams/net/wrong/gradcam")
    missing.unlink()
    foreign = study / "datasets/pets/drawn/train/cat/foreign.png"
    foreign.write_bytes(b"mine")
    (study / "notes.txt").write_text("mine")
    wanted = {
        f"changed: {study / MODEL}",
        f"changed: {study}/filters/net/textbook/stem_conv.h5",
        f"changed: {shard}",
        f"cut: {cut}",
        f"emptied: {emptied}",
        f"missing: {missing}",
        f"foreign: {foreign}",
        f"foreign: {study}/notes.txt",
    }
    wanted = {line.replace(str(copy.folder) + os.sep, "") for line in wanted}
    told = verify(copy)
    assert told.returncode == 1 and told.stderr.count("\n") == 1
    assert {
        # The kind and the file, before what is said of it.
        ": ".join(line.partition(" (")[0].split(": ")[:2])
        for line in told.stdout.splitlines()[:-1]
    } == wanted

    repaired = verify(copy, "--repair")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    made = Counter(re.findall(r"^(?:localrule|rule|checkpoint|localcheckpoint) (\w+):", repaired.stderr, re.MULTILINE))
    assert made == Counter(draw_pets=1, train_model=1, ascend=1, activations=1, gather_cam=1, overlays=2)
    assert (study / "notes.txt").read_text() == "mine" and not foreign.exists()
    (study / "notes.txt").unlink()
    assert same(copy, finished) == []
    assert not {"activations", "cam", "dataset", "evaluate"} & set(copy.would_run())


def test_nothing_is_computed_from_a_damaged_file(copy: Project, finished: Project) -> None:
    study = copy.study
    patterns = "filters/net/textbook/stem_conv.h5"
    grid = study / "filters/net/textbook/filters_for_layer_stem_conv.png"
    flip(study / patterns)
    grid.unlink()
    done = copy.snakemake()
    assert done.returncode == 1
    line = f"results/tiny/{patterns} is damaged (its content has changed; made by ascend net.textbook.stem_conv): the next run"
    assert f"filter_grid net textbook stem_conv: {line}" in done.stdout + done.stderr
    assert not grid.exists()
    assert f"results/tiny/{patterns} is made again: a job found it damaged" in copy.run()
    assert same(copy, finished) == []
    assert verify(copy).returncode == 0


def test_a_table_that_the_run_itself_reads_is_made_again_first(copy: Project, finished: Project) -> None:
    table = copy.study / "models/net/layers.csv"
    before = table.stat()
    table.write_text(table.read_text().replace("stem_conv", "stem_conw"))
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "models/net/layers.csv is made again: models/net/layers.csv: its content has changed" in copy.run()
    assert same(copy, finished) == []


def test_the_pages_are_made_again_as_one(copy: Project, finished: Project) -> None:
    page, style = copy.study / "gallery/index.html", copy.study / "gallery/gallery.css"
    flip(page)
    repaired = verify(copy, "--repair")
    assert repaired.returncode == 0 and "(made by gallery)" in repaired.stdout
    assert "made again: 1, with the same bytes as before: 1" in repaired.stdout
    style.write_bytes(b"")
    assert "results/tiny/gallery/index.html is made again: gallery/gallery.css: emptied" in copy.run()
    before, now = finished.files(), copy.files()
    assert before == now


def test_what_is_behind_a_checkpoint_is_made_again_for_a_target_too(copy: Project, finished: Project) -> None:
    sheets, shards = "results/tiny/activations/net/few/sheets", copy.study / "activations/net/few/shards"
    (shards / "0000.h5").rename(shards / "own")
    (shards / "0001.h5").rename(shards / "0000.h5")
    (shards / "own").rename(shards / "0001.h5")
    shutil.rmtree(copy.folder / sheets)
    copy.run(sheets)
    assert same(copy, finished) == []


def test_what_the_study_does_not_make_any_more_is_left_as_it_is(copy: Project) -> None:
    study, curves = copy.study, copy.study / "models/net/curves.png"
    copy.edit(TINY, "cams:\n  net: {images: [few, wrong],", "cams:\n  net: {images: [few],")
    folder = study / "cams/net/wrong/gradcam"
    first(folder).unlink()
    (study / "cams/net/wrong/gradcam.h5").unlink()
    curves.write_bytes(curves.read_bytes()[:-3])
    repaired = verify(copy, "--repair")
    assert repaired.returncode == 1 and curves.exists() and folder.is_dir()
    assert "made again: 1, with the same bytes as before: 1" in repaired.stdout
    assert f"{folder.relative_to(copy.folder)} is left as it is" in repaired.stderr
    assert "results/tiny/cams/net/wrong/gradcam.h5 is forgotten: it is gone" in repaired.stderr
    shutil.rmtree(folder)
    assert verify(copy, "--repair").returncode == 0 == verify(copy).returncode


def test_what_is_cut_is_seen_as_the_next_run_begins(copy: Project, finished: Project) -> None:
    emptied = first(copy.study / "cams/net/few/gradcam")
    emptied.write_bytes(b"")
    copy_of = first(copy.study / "cams/net/wrong/gradcam")
    copy_of.unlink()
    name = emptied.relative_to(copy.study)
    assert f"cams/net/few/gradcam is made again: {name}: emptied" in copy.run("-n")
    said = copy.run()
    assert f"cams/net/few/gradcam is made again: {name}: emptied" in said
    assert f"cams/net/wrong/gradcam is made again: {copy_of.relative_to(copy.study)}: missing" in said
    assert same(copy, finished) == []
    assert copy.would_run() == Counter() and "made again" not in copy.run()


def test_what_lost_its_seal_is_not_known_to_be_whole(copy: Project, finished: Project) -> None:
    lost = ("models/net/curves.png", "cams/net/few/gradcam", "gallery", "image_sets/few.csv")
    for name in lost:
        seal_file(copy.study, name).unlink()
    mine = copy.study / "models/net/notes.txt"
    mine.write_text("mine")
    told = verify(copy)
    assert told.returncode == 1
    assert [line.partition(": its seal")[0] for line in told.stdout.splitlines()[:-1]] == [
        *(f"unsealed: results/tiny/{name}" for name in sorted(lost)),
        "foreign: results/tiny/models/net/notes.txt: no job of the study made it",
    ]
    repaired = verify(copy, "--repair")
    assert repaired.returncode == 0 and "made again: 4" in repaired.stdout, repaired.stdout + repaired.stderr
    assert mine.read_text() == "mine"
    mine.unlink()
    done = verify(copy)
    assert done.returncode == 0 and done.stdout.count("\n") == 1 and set(copy.would_run()) <= {"index"}
    copy.run()  # the list of studies is told of the new pages
    assert same(copy, finished) == []


def test_a_layer_that_was_taken_from_a_list_is_left_as_it_is(copy: Project) -> None:
    copy.edit(
        TINY, "filters:\n  net: {layers: [stem_conv, block2_residual_conv]", "filters:\n  net: {layers: [stem_conv]"
    )
    patterns, table = copy.study / "filters/net/textbook/block2_residual_conv.h5", copy.study / "models/net/layers.csv"
    wanted = copy.study / "filters/net/textbook/stem_conv.h5"
    for path in (patterns, wanted, table):
        flip(path)
    damaged = patterns.read_bytes()
    repaired = verify(copy, "--repair")
    assert repaired.returncode == 1 and "made again: 2, with the same bytes as before: 2" in repaired.stdout
    assert patterns.read_bytes() == damaged
    line = "results/tiny/filters/net/textbook/block2_residual_conv.h5 is left as it is: the study does not make it any more"
    assert line in repaired.stderr


def test_without_our_profile_what_is_cut_is_made_again_too(copy: Project, finished: Project) -> None:
    curves = copy.study / "models/net/curves.png"
    curves.write_bytes(curves.read_bytes()[:-3])
    said = copy.run("--workflow-profile", "none")
    assert "models/net/curves.png is made again" in said and "IncompleteFiles" not in said
    assert same(copy, finished) == []
