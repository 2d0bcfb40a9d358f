"""The gallery: static pages to look at all of it."""

import subprocess
import time

from convscope.failed_jobs import INTERRUPTED, as_json, failures, misleading, unmade

INDEX = "results/index.html"
# Clocks of a cluster differ a little.
BEGAN = time.time() - 60


def forget_lost_index():
    """Where the list of studies is gone, or does not lead to this study, it has to be made again."""
    address = f'href="{config["study"]}/gallery/index.html"'
    try:
        listed = address in Path(INDEX).read_text(encoding="utf-8")
    except (OSError, ValueError):
        listed = False
    if not listed:
        Path(STUDY, "gallery", "listed").unlink(missing_ok=True)


def report_failures():
    """After a run in which jobs failed: say why, a line a job, and make the gallery of what is there."""
    failed = failures(workflow.scheduler.failed, BEGAN)
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
        files = unmade(unfinished, workflow.dag.dependencies, failed)
        said.append(gallery_of_the_rest(as_json(failed, files)))
    print(*said, sep="\n", file=sys.stderr, flush=True)


def gallery_of_the_rest(facts):
    """Make the gallery of what a run with failures left, and say where it is."""
    facts_file = Path(STUDY, "logs", "unfinished.json")
    facts_file.parent.mkdir(parents=True, exist_ok=True)
    facts_file.write_text(json.dumps(facts), encoding="utf-8")
    page, log = f"{STUDY}/gallery/index.html", f"{STUDY}/logs/unfinished_gallery.log"
    python = [sys.executable, "-m"]
    path = os.pathsep.join(
        filter(None, [workflow.basedir, os.environ.get("PYTHONPATH")])
    )
    pages = ["scripts.gallery", "--results", STUDY, "--config", json.dumps(config)]
    pages += ["--out", page, "--unfinished", str(facts_file), "--log", log]
    listing = ["scripts.index", "--studies", f"{STUDY}/gallery/unfinished.json"]
    for arguments in (
        pages,
        [*listing, "--out", INDEX, "--log", f"{STUDY}/logs/index.log"],
    ):
        made = subprocess.run(
            [*python, *arguments], env={**os.environ, "PYTHONPATH": path}
        )
        if made.returncode:
            return f"No gallery of the rest could be made; see {log}"
    return f"The gallery shows what is there, and lists what is not: {page}"


if workflow.is_main_process:
    forget_lost_index()


rule gallery:
    """Make the study's pages."""
    input:
        datasets=expand(rules.contact_sheet.output.sheet, dataset=config["datasets"]),
        curves=trained_curves(),
        metrics=evaluated(rules.evaluate),
        reports=evaluated(rules.classifier_report),
        layers=expand("<study>/models/{model}/layers.csv", model=config["models"]),
        activations=activation_figures(),
        filters=filter_figures,
        cams=cam_figures(),
        attributions=attribution_figures(),
        judging=judging_tables(),
    output:
        page="<study>/gallery/index.html",
        study="<study>/gallery/study.json",
    log:
        "<study>/logs/gallery.log",
    benchmark:
        "<study>/benchmarks/gallery.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("gallery"),
        settings=lambda w: json.dumps(config),
        results=lambda w, output: os.path.dirname(os.path.dirname(output.study)),
    shell:
        r"""
        python -m scripts.gallery --results {params.results:q} --config {params.settings:q} --out {output.page:q} --log {log:q}
        """


rule index:
    """List the studies under results/, in results/index.html."""
    input:
        study=rules.gallery.output.study,
    output:
        # Not the page itself: all studies share it, and Snakemake would let only one of them run at a time.
        listed=touch("<study>/gallery/listed"),
    log:
        "<study>/logs/index.log",
    benchmark:
        "<study>/benchmarks/index.tsv"
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code("index"),
        page=INDEX,
    shell:
        r"""
        python -m scripts.index --studies {input.study:q} --out {params.page:q} --log {log:q}
        """
