"""A training's place in the cache that studies share (`storage.shared`): by all that its bits depend on, and by nothing else.

That is what decides whether Snakemake runs it again - its code with the versions of the libraries, its settings, its seed, its
backend, the contents of its inputs - and what Snakemake does not ask: its name, which its files tell, the number of threads, and the
machine. Where pictures lie is left out: another study of the same pictures has them in a folder of its own.
"""

import argparse
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.jobs import environment
from convscope.jobs.code_digest import code_digest, libraries_used
from convscope.jobs.machine import builds, machine_facts
from convscope.jobs.sealing import tells_seconds
from convscope.storage.files import read_json, sha256_of, write_json
from convscope.storage.identity import identity
from convscope.storage.seals import below, read_seal, study_of
from convscope.storage.shared import Say, cache_folder, keep, take
from convscope.storage.tables import read_rows

FOLDER = "models"
# Columns of a dataset's tables that say where a file lies; what it holds is in another column.
_PLACES = ("path", "mask")
_BEGUN = "begun.json"


@dataclass
class Place:
    """A training's place in the cache.

    Attributes:
        entry: folder of the entry.
        facts: what the training depends on.
        outputs: what it writes: name of the argument -> file.
        study: the study's folder.
        state: folder that a killed one goes on from; None where there is none.
        mixed: whether it may go on from what was begun on another machine or with other threads: the same to people, not to the bit.
    """

    entry: Path
    facts: dict[str, Any]
    outputs: dict[str, Path]
    study: Path
    state: Path | None
    mixed: bool = False

    def take(self, say: Say) -> bool:
        """Write all outputs from the cache, where it has them."""
        notes = take(self.entry, self.facts, self.outputs, say)
        if notes is None:
            self._begin()
            return False
        tells_seconds(*(self.outputs[name] for name in notes["timed"]))
        if self.state:
            shutil.rmtree(self.state, ignore_errors=True)
        say(f"taken from the cache: {self.entry}, of {notes['made']}")
        return True

    def keep(self, say: Say) -> None:
        """Put what was written, and sealed, into the cache."""
        if self.mixed:
            say("left out of the cache: it was begun with other settings or threads, elsewhere or without the cache")
        else:
            seals = {name: read_seal(self.study, below(self.study, path)) for name, path in self.outputs.items()}
            timed = [name for name, seal in seals.items() if seal is not None and seal.timed]
            notes = {"timed": timed, "made": time.strftime("%Y-%m-%d %H:%M")}
            if keep(self.entry, self.facts, self.outputs, notes, say):
                say(f"kept in the cache: {self.entry}")
        if self.state:
            (self.state / _BEGUN).unlink(missing_ok=True)

    def _begin(self) -> None:
        """Note what a training that is killed was begun with."""
        if self.state is None:
            return
        begun = self.state / _BEGUN
        try:
            before = read_json(begun)["entry"] if begun.is_file() else ""
        except (OSError, ValueError, TypeError, LookupError):
            before = "?"
        others = self.state.is_dir() and any(path != begun for path in self.state.iterdir())
        self.mixed = others and before != self.entry.name
        write_json(begun, {"entry": "mixed" if self.mixed else self.entry.name})


def place_of(args: argparse.Namespace, outputs: Collection[str], script: str) -> Place | None:
    """A job's place; None where no cache is named, or the job was not started by the workflow.

    Args:
        args: its arguments.
        outputs: names of those that are written.
        script: its name ("train_model").
    """
    cache, study, state = cache_folder(), study_of(args.log), getattr(args, "state", None)
    if cache is None or study is None or environment.SCRIPTS not in os.environ:
        if state:
            (state / _BEGUN).unlink(missing_ok=True)  # it goes on from here as nobody knows what
        return None
    facts = facts_of(args, outputs, script)
    files = {name: getattr(args, name) for name in sorted(outputs)}
    return Place(cache / FOLDER / identity(**facts), facts, files, study, state)


def facts_of(args: argparse.Namespace, outputs: Collection[str], script: str) -> dict[str, Any]:
    """All that the bits of a job's outputs depend on, as JSON values."""
    given = {name: value for name, value in vars(args).items() if name not in {"log", "state", "passing", *outputs}}
    files = {name: value for name, value in given.items() if isinstance(value, Path)}
    root = Path(environment.scripts()).parent
    return {
        "script": script,
        "code": code_digest(f"scripts.{script}", root, ".snakemake/fingerprints/code.json", args.backend),
        "arguments": {name: value for name, value in sorted(given.items()) if name not in files},
        "inputs": contents_of(files),
        "builds": builds(libraries_used(f"scripts.{script}", root, args.backend)),
        "machine": machine_facts(args.backend),
    }


def contents_of(files: Mapping[str, Path]) -> dict[str, str]:
    """What files hold, tables without where pictures lie. A picture that several tables name is the same one in all of them."""
    seen: dict[str, str] = {}
    return {
        name: table_digest(read_rows(path), seen) if path.suffix == ".csv" else sha256_of(path)
        for name, path in sorted(files.items())
    }


def table_digest(rows: Iterable[Mapping[str, str]], seen: dict[str, str]) -> str:
    """Digest of a table's rows in their order; a file counts by its number among all, and by its name without the folder.

    Args:
        rows: as texts.
        seen: number of each place; those of these rows are added.
    """
    digest = hashlib.sha256()
    for row in rows:
        told = {
            column: seen.setdefault(value, f"{len(seen)} {Path(value).name}") if column in _PLACES else value
            for column, value in row.items()
        }
        digest.update(json.dumps(told, sort_keys=True).encode(errors="surrogateescape") + b"\n")
    return digest.hexdigest()
