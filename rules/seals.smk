"""Results that were damaged since a run made them: what is seen of that at once, and what jobs have met, is made again."""

from types import SimpleNamespace

from snakemake.dag import DAG
from snakemake.io import IOFile, is_flagged
from snakemake.persistence.file import FilePersistence

from convscope.jobs.sealing import damaged_at_a_glance, damaged_before
from convscope.storage.seals import asked_as

# Sections of the config whose folder of results has one for each of their models.
PARTS_OF_MODELS = (
    "activations",
    "filters",
    "units",
    "concepts",
    "strategies",
    "cams",
    "attributions",
    "judging",
    "segmentation",
    "watching",
)


def is_made(file):
    """Whether the study makes a file, as it is written now: not one of a model, of a stage of it, or of images that it had before."""
    stage, *names = os.path.relpath(file, STUDY_FOLDER).split(os.sep)
    if stage == "units" and names[-1].startswith("concepts."):
        # Concepts are made for heatmaps, too.
        asked = config["strategies"].get(names[0], {}).get("images", [])
        if names[1] in asked:
            return True
    part = config.get(stage)
    if stage in PARTS_OF_MODELS and part is not None and len(names) > 1:
        if names[0] not in part:
            return False
        images = part[names[0]].get("images")
        if images and names[1] in config["image_sets"] and names[1] not in images:
            return False
    # Of a module the rules are read once for each `use rule`, and each time they are others.
    return IS_MODULE or any(rule.is_producer(file) for rule in workflow.rules)


def is_kept(file):
    """Whether a file is not one that is taken away when the job is done that needs it."""
    outputs = (output for rule in workflow.rules for output in rule.output)
    return not any(
        is_flagged(output, "temp") and output.match(file) for output in outputs
    )


if ASKED := os.environ.get("CONVSCOPE_ASKED"):
    named = json.loads(Path(ASKED).read_text(encoding="utf-8"))
    Path(ASKED).write_text(
        json.dumps(
            [name for name, file in named.items() if is_made(file) and is_kept(file)]
        )
    )
    # `convscope verify --repair` asks before it takes anything away; a run that is at work has stopped it before.
    if "--summary" not in sys.argv:
        sys.exit(0)


def damaged_results():
    """The results that are damaged, each told in a line."""
    study = Path(STUDY_FOLDER)
    seen = {fault.output: fault for fault in damaged_at_a_glance(study)}
    met = damaged_before(study, keep=not MAKES)
    files = {output: str(asked_as(study, output)) for output in sorted({*seen, *met})}
    for output, file in files.items():
        what = (
            f"{seen[output].file}: {seen[output].what}"
            if output in seen
            else "a job found it damaged"
        )
        where = (
            f"{file} is made again"
            if is_made(file)
            else f"{file} is damaged, and the study does not make it any more"
        )
        print(in_one_line(f"{where}: {what}"), file=sys.stderr)
    return [IOFile(file) for file in files.values() if is_made(file)]


stop_where_incomplete = DAG.check_incomplete


async def go_on_where_incomplete(dag):
    """Make again what is not whole; without our profile Snakemake would stop there, with a page of its own code."""
    dag.workflow.dag_settings.force_incomplete = True
    await stop_where_incomplete(dag)


DAMAGED = (
    damaged_results()
    if MAKES or (workflow.is_main_process and workflow.output_settings.dryrun)
    else []
)
if DAMAGED and MAKES:
    DAG.check_incomplete = go_on_where_incomplete
    # A run that is killed now is followed by one that knows of them.
    FilePersistence(nolock=True).started(SimpleNamespace(output=DAMAGED))


def force_damaged():
    """Have what is damaged made again: behind a checkpoint Snakemake does not look at what is unfinished, so it is told as it builds its graph."""
    workflow.dag.forcefiles.update(DAMAGED)


def made_again(wildcards):
    """No input, see `force_damaged`."""
    force_damaged()
    return []
