"""The gallery: static pages to look at all of it."""


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
        settings=lambda w: json.dumps(all_without_secrets(config)),
        results=lambda w, output: os.path.dirname(os.path.dirname(output.study)),
    # By standard input: a command line takes no config that lists some thousand files.
    shell:
        r"""
        python -m scripts.gallery --results {params.results:q} --config - --out {output.page:q} --log {log:q} \
            <<<{params.settings:q}
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
