"""The gallery: static pages to look at all of it."""

from convscope.jobs.profile import say_once, without_profile
from convscope.storage.addresses import all_without_secrets


def shown_sets():
    """The tables of the image sets that a stage shows."""
    stages = (
        "activations",
        "units",
        "concepts",
        "segmentation",
        "cams",
        "attributions",
        "judging",
        "strategies",
        "watching",
    )
    used = {images for stage in stages for _, images in pairs(stage)}
    return [
        file
        for images in config["image_sets"]
        if images in used
        for file in (
            f"{STUDY}/image_sets/{images}.csv",
            f"{STUDY}/image_sets/{images}.bad.csv",
        )
    ]


# All that the pages are made of: a job whose other files stay as they were would not have them made again.
rule gallery:
    """Make the study's pages."""
    input:
        datasets=expand(rules.dataset.output, dataset=config["datasets"]),
        pictures=made_pictures(),
        sheets=expand(rules.contact_sheet.output.sheet, dataset=config["datasets"]),
        image_sets=shown_sets(),
        models=expand(
            "<study>/models/{model}/{file}",
            model=config["models"],
            file=["model.json", "summary.txt", "layers.csv"],
        ),
        trained=expand(
            "<study>/models/{model}/{file}",
            model=TRAINED + TRANSFERRED,
            file=["history.csv", "training.json", "curves.png"],
        ),
        heads=expand("<study>/models/{model}/heads.csv", model=TRANSFERRED),
        metrics=evaluated(rules.evaluate),
        reports=evaluated(rules.classifier_report),
        activations=activation_figures(),
        filters=filter_figures,
        units=unit_files,
        concepts=concept_files(),
        vectors=vector_files,
        segmentation=segmentation_files(),
        cams=cam_figures(),
        attributions=attribution_figures(),
        judging=judging_tables(),
        strategies=strategy_files(),
        comparisons=comparison_files(),
        watching=watching_figures(),
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
        mem_mb=megabytes("gallery"),
        runtime=minutes("gallery"),
    params:
        code=code("gallery"),
        settings=lambda w: argument(all_without_secrets(config), in_order=False),
        results=lambda w, output: os.path.dirname(os.path.dirname(output.study)),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" gallery --results {params.results:q} --config {params.settings:q} --out {output.page:q} --log {log:q}
        """


def described_study(wildcards):
    """The gallery's own account of the study. When it is asked for, Snakemake knows its settings, and what they lack can be said."""
    if workflow.is_main_process and not workflow.output_settings.dryrun:
        compared = workflow.dag_settings.max_checksum_file_size
        goes_on = workflow.dag_settings.force_incomplete
        say_once(without_profile(HERE / "profiles" / "default", compared, goes_on))
    return rules.gallery.output.study


rule index:
    """List the studies under results/, in results/index.html."""
    input:
        study=described_study,
    output:
        # Not the page itself: all studies share it, and Snakemake would let only one of them run at a time.
        listed=touch("<study>/gallery/listed"),
    log:
        "<study>/logs/index.log",
    benchmark:
        "<study>/benchmarks/index.tsv"
    localrule: True
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("index"),
        runtime=minutes("index"),
    params:
        code=code("index"),
        page=INDEX,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" index --studies {input.study:q} --out {params.page:q} --log {log:q}
        """
