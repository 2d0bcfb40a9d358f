"""How a run ends: the list of studies, and after failures the reasons and a gallery of the rest."""

import contextlib
import subprocess
import time

from convscope.storage.addresses import all_without_secrets
from convscope.jobs.clocks import set_right
from convscope.jobs.disk_errors import forbidden, unwritable
from convscope.jobs.environment import scripts
from convscope.jobs.failed_jobs import (
    INTERRUPTED,
    as_json,
    companions,
    failures,
    misleading,
    unmade,
)

INDEX = f"{RESULTS}/index.html"
# Clocks of a cluster differ a little, and may be set while a run goes on.
CLOCKS_DIFFER = 60
BEGAN, BEGAN_HERE = time.time(), time.monotonic()


def forget_lost_index():
    """Where the list of studies is gone, or does not lead to this study, it has to be made again."""
    address = f'href="{config["study"]}/gallery/index.html"'
    try:
        listed = address in Path(INDEX).read_text(encoding="utf-8")
    except (OSError, ValueError):
        listed = False
    if not listed:
        with contextlib.suppress(OSError):  # a read-only place: nothing is made there
            Path(STUDY_FOLDER, "gallery", "listed").unlink()


def before_the_first_job():
    """Where nothing can be written, stop: Snakemake would, with a page of its own code. Where the clock was set back, say so."""
    for place in (".snakemake", RESULTS):
        if trouble := unwritable(place):
            stop(trouble, "run")
    jobs = list(workflow.dag.needrun_jobs())
    made = (
        [*job.output, *job.log, *([job.benchmark] if job.benchmark else [])]
        for job in jobs
    )
    if trouble := forbidden(str(file) for files in made for file in files):
        stop(trouble, "run")
    if count := set_right(STUDY_FOLDER):
        print(
            f"run: {count} files of {STUDY_FOLDER} were of the future (was the clock set back?); they are of this moment now",
            file=sys.stderr,
            flush=True,
        )


def report_failures():
    """After a run in which jobs failed: say why, a line a job, and make the gallery of what is there."""
    began = min(BEGAN, time.time() - (time.monotonic() - BEGAN_HERE)) - CLOCKS_DIFFER
    failed = failures(workflow.scheduler.failed, began)
    unfinished = list(workflow.dag.needrun_jobs())
    for job in misleading(unfinished):
        workflow.persistence.started(job)  # to Snakemake, its files are half made
    if not failed:
        return
    said = [
        f"{len(failed)} of the jobs failed:" if len(failed) > 1 else "A job failed:"
    ]
    said += [f"  {failure.line}" for failure in failed.values()]
    wanted = any(job.rule.name == "gallery" for job in unfinished)
    if wanted and not any(entry.reason == INTERRUPTED for entry in failed.values()):
        beside = companions(workflow.scheduler.failed, failed)
        files = unmade(unfinished, workflow.dag.dependencies, failed, beside, BEGAN)
        try:
            said.append(gallery_of_the_rest(as_json(failed, files)))
        except OSError as error:
            # A full disk has stopped the jobs, too: the reasons must be told all the same.
            said.append(f"No gallery of the rest could be made: {error}")
    print(*said, sep="\n", file=sys.stderr, flush=True)


def gallery_of_the_rest(facts):
    """Make the gallery of what a run with failures left, and say where it is."""
    # In files, not on the command line, which takes no more than so much, and which everybody on the machine can read.
    facts_file = Path(STUDY_FOLDER, "logs", "unfinished.json")
    config_file = Path(STUDY_FOLDER, "logs", "unfinished_config.json")
    facts_file.parent.mkdir(parents=True, exist_ok=True)
    facts_file.write_text(json.dumps(facts), encoding="utf-8")
    config_file.write_text(json.dumps(all_without_secrets(config)), encoding="utf-8")
    page, log = (
        f"{STUDY_FOLDER}/gallery/index.html",
        f"{STUDY_FOLDER}/logs/unfinished_gallery.log",
    )
    pages = ["gallery", "--results", STUDY_FOLDER, "--config", str(config_file)]
    pages += ["--out", page, "--unfinished", str(facts_file), "--log", log]
    index = ["index", "--studies", f"{STUDY_FOLDER}/gallery/unfinished.json"]
    index += ["--out", INDEX, "--log", f"{STUDY_FOLDER}/logs/index.log"]
    script = [sys.executable, scripts()]
    if subprocess.run([*script, *pages]).returncode:
        return f"No gallery of the rest could be made; see {log}"
    # Where the list cannot be made, the script says why.
    subprocess.run([*script, *index])
    return f"The gallery shows what is there, and lists what is not: {page}"


if workflow.is_main_process:
    forget_lost_index()
