"""Helpers that the rules share: the checked config, names of results, settings as JSON, and what code a script uses."""

import json
import math
import os
import re
import sys
from functools import cache
from pathlib import Path

from convscope.storage.addresses import (
    all_without_secrets,
    dataset_and_split,
    download_name,
    downloads_of,
    has_secrets,
    local_file,
    without_secrets,
)
from convscope.filters.presets import (
    PRESETS,
    for_preset,
    preset_names,
    without_effect,
)
from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.attributions.names import chosen_methods
from convscope.cams.names import METHODS as CAMS
from convscope.cams.names import OWN_PASS, methods_of, pass_of
from convscope.check import check_study, gap_head_of, splits_of
from convscope.data.places import masks_below
from convscope.jobs.code_digest import code_digest
from convscope.config import complete
from convscope.data.drawn.kinds import CLASSES as DRAWN_KINDS
from convscope.errors import UserError
from convscope.storage.files import sha256_of
from convscope.storage.fingerprints import file_digest, fingerprint
from convscope.storage.identity import identity
from convscope.models.layer_table import (
    ALL_ROLES,
    CONVOLUTIONS,
    read_layers,
    select_layers,
)
from convscope.storage.runs import announce_again
from convscope.jobs.study_lock import begin_run
from convscope.storage.tables import read_rows
from convscope.jobs.timers import cancel_timers

try:
    config = complete(config)
    # What is named was looked at as the run began: a job on another machine need neither see all of it nor wait for that.
    if workflow.is_main_process:
        check_study(config)
except UserError as error:
    stop(error)

# Jobs belong to the run that started them, and end with it.
if workflow.is_main_process:
    try:
        begin_run(
            ".snakemake",
            config["study"],
            sys.argv[1:],
            only_says=workflow.output_settings.dryrun,
        )
    except UserError as error:
        stop(error, "run")
else:
    announce_again()

STUDY = f"results/{config['study']}"


pathvars:
    study=STUDY,


SEED = config["seed"]
TRAINED = [
    name for name, model in config["models"].items() if model["source"] == "train"
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
    layer=r"[^/]+",
    preset=one_of(PRESETS),
    split=r"[^/.]+",
    shard=r"\d{4}",
    method=one_of([*CAMS, *ATTRIBUTIONS]),
    family=one_of(["shared", *OWN_PASS]),


def settings(*keys, without=(), only=None):
    """A part of the config as JSON, for the params of a rule, `settings("models", "{model}")`.

    Left out is what its results do not depend on: `without`, and the number of threads; or all but `only`.
    """

    def value(wildcards):
        part = config
        for key in keys:
            part = part[key.format(**wildcards)]
        used = {
            key: part[key]
            for key in part
            if key not in ("threads", *without) and (only is None or key in only)
        }
        return json.dumps(used, sort_keys=True)

    return value


@cache
def code(script):
    """Digest of the code a script really uses; a rule that names it runs again when that code changes."""
    return code_digest(
        f"scripts.{script}",
        Path(workflow.basedir),
        ".snakemake/fingerprints/code.json",
    )


@cache
def content_of(place, *without):
    """Digest of what a user's file or folder holds; remembered by size and time, so that a second look is quick.

    `without` are what is left out below a folder.
    """
    path = Path(place).expanduser()
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


def job_threads(stage):
    """Threads of a job, from the model's part of a stage."""
    return lambda wildcards: config[stage][wildcards.model]["threads"]


def image_set_size(images):
    """Number of images of a set; known once its table is made."""
    return len(read_rows(checkpoints.image_set.get(images=images).output.table))


def shards(stage, model, images):
    """Names of the shards that a stage divides an image set into."""
    count = math.ceil(image_set_size(images) / config[stage][model]["shard"])
    return [f"{number:04d}" for number in range(max(count, 1))]


def selected(stage, model, roles):
    """Names of the layers that a stage is made for; known once the model is there."""
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
