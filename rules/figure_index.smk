"""The figure index: `snakemake --cores all figures/NAME` makes the pictures of one figure, and what it takes."""

from dataclasses import asdict

from convscope.figure_index.names import sources_of
from convscope.jobs.study_lock import hold_figure


def figure_sources(wildcards):
    """What of the study a figure is made of; a figure that it does not ask for ends the run with the lines that would."""
    try:
        found = sources_of(
            wildcards.figure,
            config,
            lambda model: selected("filters", model, CONVOLUTIONS),
        )
        if workflow.is_main_process:
            hold_figure(
                ".snakemake",
                wildcards.figure,
                in_place("figures"),
                sys.argv[1:],
                only_says=workflow.output_settings.dryrun,
            )
        return found
    except UserError as error:
        stop(error, "figure")


rule figure:
    """Put the pictures of one figure of the index into a folder of their own."""
    input:
        files=lambda w: sorted(
            {
                f"{STUDY}/{file}"
                for source in figure_sources(w)
                for file in source.files
            }
        ),
    output:
        folder=directory("figures/{figure}"),
    log:
        "<study>/logs/figure/{figure}.log",
    benchmark:
        "<study>/benchmarks/figure/{figure}.tsv"
    wildcard_constraints:
        figure=r"[^/]+",
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("figure"),
        runtime=minutes("figure"),
    params:
        code=code("figure"),
        sources=lambda w: argument([asdict(source) for source in figure_sources(w)]),
        results=STUDY_FOLDER,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" figure --results {params.results:q} --sources {params.sources:q} --out {output.folder:q} --log {log:q}
        """
