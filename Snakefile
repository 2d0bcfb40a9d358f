"""Convscope: see what a convolutional network has learned. One config file in, a whole set of figures out."""

from snakemake.utils import min_version

min_version("9.0")


include: "rules/config_file.smk"


# A study stands alone: where another config file is named, the default one is not read at all.
if not (workflow.overwrite_configfiles or IS_MODULE):

    configfile: default_config()


include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/ending.smk"
include: "rules/data.smk"
include: "rules/masks.smk"
include: "rules/models.smk"
include: "rules/evaluation.smk"
include: "rules/segmentation.smk"
include: "rules/activations.smk"
include: "rules/filters.smk"
include: "rules/concepts.smk"
include: "rules/units.smk"
include: "rules/vectors.smk"
include: "rules/cams.smk"
include: "rules/attributions.smk"
include: "rules/judging.smk"
include: "rules/strategies.smk"
include: "rules/watching.smk"
include: "rules/comparisons.smk"
include: "rules/figure_index.smk"
include: "rules/gallery.smk"
# It asks what all of them make.
include: "rules/seals.smk"


rule all:
    default_target: True
    input:
        rules.index.output,
        rules.gallery.input,
        made_again,
    localrule: True


rule figures:
    input:
        rules.gallery.input,
        made_again,
    localrule: True


onstart:
    before_the_first_job()


onsuccess:
    cancel_timers()


onerror:
    cancel_timers()
    report_failures()
