"""Results that were damaged since a run made them: what is seen of that at once, and what jobs have met, is made again."""

from types import SimpleNamespace

from snakemake.io import IOFile
from snakemake.persistence.file import FilePersistence

from convscope.jobs.sealing import damaged_at_a_glance, damaged_before


def make_damaged_again():
    """Say which results are damaged, and have Snakemake take them for unfinished."""
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
    if (seen or met) and MAKES:
        outputs = [IOFile(str(study / output)) for output in {*seen, *met}]
        FilePersistence(nolock=True).started(SimpleNamespace(output=outputs))


if MAKES or (workflow.is_main_process and workflow.output_settings.dryrun):
    make_damaged_again()
