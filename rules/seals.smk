"""Results that were damaged since a run made them: what is seen of that at once, and what jobs have met, is made again."""

from types import SimpleNamespace

from snakemake.io import IOFile
from snakemake.persistence.file import FilePersistence

from convscope.jobs.sealing import damaged_at_a_glance, damaged_before


def damaged_results():
    """The results that are damaged, each told in a line."""
    study = Path(STUDY_FOLDER)
    seen = {fault.output: fault for fault in damaged_at_a_glance(study)}
    met = damaged_before(study, keep=not MAKES)
    for output in sorted({*seen, *met}):
        what = (
            f"{seen[output].file} is {seen[output].what}"
            if output in seen
            else "a job found it damaged"
        )
        print(f"{study / output} is made again: {what}", file=sys.stderr)
    return [IOFile(str(study / output)) for output in {*seen, *met}]


DAMAGED = (
    damaged_results()
    if MAKES or (workflow.is_main_process and workflow.output_settings.dryrun)
    else []
)
if DAMAGED and MAKES:
    # A run that is killed now is followed by one that knows of them.
    FilePersistence(nolock=True).started(SimpleNamespace(output=DAMAGED))


def made_again(wildcards):
    """No input: behind a checkpoint Snakemake does not look at what is unfinished, so it is told here, as it builds its graph."""
    workflow.dag.forcefiles.update(DAMAGED)
    return []
