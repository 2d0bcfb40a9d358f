"""Helpers that the rules share: the checked config, names of results, settings as JSON, and what code a script uses."""

import json
import math
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS
from convscope.cams.names import OWN_PASS
from convscope.check import check_study
from convscope.config import complete
from convscope.data.drawn.kinds import CLASSES as DRAWN_KINDS
from convscope.errors import UserError
from convscope.filters.presets import NEGATIVE, PRESETS
from convscope.jobs.code_digest import code_digest
from convscope.jobs.environment import prepare
from convscope.jobs.study_lock import begin_run
from convscope.jobs.timers import cancel_timers
from convscope.models.layer_table import CONVOLUTIONS, read_layers, select_layers
from convscope.segmentation.settings import is_of_pixels
from convscope.storage.arguments import as_argument, as_arguments
from convscope.storage.files import sha256_of
from convscope.storage.fingerprints import (
    file_digest,
    fingerprint,
    fingerprint_of_files,
)
from convscope.storage.identity import identity
from convscope.storage.runs import announce_again
from convscope.storage.shared import prepare_cache
from convscope.storage.tables import count_rows

if IS_MODULE and not config:
    stop("a module of Convscope needs config: with a study in it", "module")
try:
    config = complete(config)
    # What is named was looked at as the run began: a job on another machine need neither see all of it nor wait for that.
    if workflow.is_main_process:
        check_study(config)
except UserError as error:
    stop(error)

STUDY = f"results/{config['study']}"
# `python "$CONVSCOPE_SCRIPTS" NAME ...` runs a script wherever the run was started; a module's own names are not known to its commands.
prepare(
    HERE / "scripts",
    [model["code"] for model in config["models"].values() if model.get("code")],
)


def in_place(path):
    """Where a path of the workflow's lies for those who do not ask Snakemake: a module may have a prefix."""
    return str(workflow.modifier.path_modifier.modify(path))


RESULTS = in_place("results")
STUDY_FOLDER = in_place(STUDY)

# Jobs belong to the run that started them, and end with it.
MAKES = False
if workflow.is_main_process:
    try:
        MAKES = begin_run(
            ".snakemake",
            config["study"],
            sys.argv[1:],
            only_says=workflow.output_settings.dryrun,
            results="" if STUDY_FOLDER == STUDY else STUDY_FOLDER,
        )
        if MAKES:
            prepare_cache(Path(RESULTS, "downloads"))
    except UserError as error:
        stop(error, "run")
else:
    announce_again()


pathvars:
    study=STUDY,


if workflow.pathvars.apply("<study>") != STUDY:
    stop("pathvars: study is Convscope's own; to move results use prefix:", "module")


SEED = config["seed"]
# What Keras runs on, in every job that uses it.
BACKEND = config["backend"]
TRAINED = [
    name for name, model in config["models"].items() if model["source"] == "train"
]
# Those that answer a class for every pixel.
TRAINED_ON_MASKS = [name for name in TRAINED if is_of_pixels(config["models"][name])]
TRANSFERRED = [
    name for name, model in config["models"].items() if model["source"] == "transfer"
]
DRAWN = {
    kind: [name for name, data in config["datasets"].items() if data["source"] == kind]
    for kind in DRAWN_KINDS
}


def one_of(names):
    """A wildcard constraint: one of these names; nothing where there are none."""
    return "|".join(sorted(names)) or "(?!)"


wildcard_constraints:
    dataset=one_of(config["datasets"]),
    model=one_of(config["models"]),
    images=one_of(config["image_sets"]),
    comparison=one_of(config["comparisons"]),
    layer=r"[^/]+",
    objective=one_of(
        {name for part in config["filters"].values() for name in part["objectives"]}
    ),
    preset=one_of([*PRESETS, *(name + NEGATIVE for name in PRESETS)]),
    split=r"[^/.]+",
    shard=r"\d{4}",
    method=one_of([*CAMS, *ATTRIBUTIONS]),
    family=one_of(["shared", *OWN_PASS]),


def argument(value, in_order=True):
    """A value as JSON, for the params of a rule; long ones lie in a file, for a command takes no more than so much.

    The order of keys is no matter to a result, unless told.
    """
    return as_argument(json.dumps(value, sort_keys=in_order), ".snakemake/settings")


def arguments_of(files):
    """A list of files for a command, which may be long."""
    return as_arguments(files, ".snakemake/settings")


def option(name, file):
    """An option that is given where there is a file for it."""
    return f"--{name} {shlex.quote(file)}" if file else ""


def settings(*keys, without=(), only=None):
    """A part of the config as an argument, `settings("models", "{model}")`.

    Left out is what its results do not depend on: `without`, and the number of threads; or all but `only`.
    """

    def value(wildcards):
        part = config
        for key in keys:
            part = part[key.format(**wildcards)]
        return argument(
            {
                key: part[key]
                for key in part
                if key not in ("threads", *without) and (only is None or key in only)
            }
        )

    return value


@cache
def code(script):
    """Digest of the code a script really uses; a rule that names it runs again when that code changes."""
    return code_digest(
        f"scripts.{script}",
        HERE,
        ".snakemake/fingerprints/code.json",
        BACKEND,
    )


@cache
def content_of(place, *without):
    """Digest of what a user's file or folder holds; remembered by size and time, so that a second look is quick.

    `without` are what is left out below a folder.
    """
    path = Path(place)
    try:
        if path.is_file() and path.stat().st_size < 10_000_000:
            return sha256_of(path)[:16]
        name = identity(folder=str(path.resolve()), without=without)
        kept = f".snakemake/fingerprints/{name}.json"
        if path.is_file():
            return file_digest(path, kept)[:16]
        return fingerprint(path, kept, threads=4, without=without)[:16]
    except OSError as error:
        stop(f"'{path}' cannot be read: {error.strerror}")
    except UserError as error:
        stop(error)


def contents_of(files):
    """Digest of what some of a user's files hold, however many; remembered as by `content_of`."""
    paths = [os.path.abspath(file) for file in files]
    kept = f".snakemake/fingerprints/{identity(files=sorted(paths))}.json"
    return fingerprint_of_files(files, kept, threads=4)[:16]


def job_threads(stage):
    """Threads of a job, from the model's part of a stage."""
    return lambda wildcards: config[stage][wildcards.model]["threads"]


def image_set_size(images):
    """Number of images of a set; known once its table is made."""
    force_damaged()
    table = checkpoints.image_set.get(images=images).output.table
    stat = os.stat(table)
    return rows_of(table, stat.st_mtime_ns, stat.st_size)


@cache
def rows_of(table, changed, size):
    """Number of rows of a table that was changed then: what joins shards asks for it, method by method."""
    return count_rows(table)


def shards(stage, model, images):
    """Names of the shards that a stage divides an image set into."""
    count = math.ceil(image_set_size(images) / config[stage][model]["shard"])
    return [f"{number:04d}" for number in range(max(count, 1))]


def selected(stage, model, roles):
    """Names of the layers that a stage is made for; known once the model is there."""
    force_damaged()
    rows = read_layers(checkpoints.layers.get(model=model).output.table)
    wanted = config[stage][model]["layers"]
    try:
        return [
            row["name"]
            for row in select_layers(rows, wanted, roles, f"{stage}.{model}.layers")
        ]
    except UserError as error:
        stop(error)


def pairs(stage):
    """Each (model, image set) of a stage."""
    return [
        (model, images)
        for model, part in config[stage].items()
        for images in part["images"]
    ]


def files_of(rule, **wildcards):
    """Everything that a rule makes, so that what is lost is made again; a folder (no suffix) has no content to compare."""
    return [
        (
            made.format(**wildcards)
            if os.path.splitext(made)[1]
            else ancient(made.format(**wildcards))
        )
        for made in rule.output
    ]
