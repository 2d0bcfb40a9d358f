"""Concepts: what the pictures hold, place by place, for the units and the heatmaps of a model to be compared with."""


def asks_units(wildcards):
    """Whether units are compared with the concepts; heatmaps are compared with them, too, and otherwise with parts and places."""
    part = config["units"].get(wildcards.model)
    return part is not None and wildcards.images in part["images"]


def concept_kinds(wildcards):
    """The kinds of concepts that are looked for."""
    if asks_units(wildcards):
        return config["units"][wildcards.model]["concepts"]
    return ["part", "place"]


def concept_sources(wildcards):
    """The part masks of the dataset that an image set is of."""
    dataset = config["image_sets"][wildcards.images].get("dataset")
    if dataset is None or "part" not in concept_kinds(wildcards):
        return {}
    folder = f"{STUDY}/datasets/{dataset}"
    return {"masks": f"{folder}/masks.csv", "parts": f"{folder}/parts.json"}


rule concept_masks:
    """Find the concepts in every picture of an image set, as a model is shown it."""
    input:
        unpack(concept_sources),
        spec="<study>/models/{model}/model.json",
        images="<study>/image_sets/{images}.csv",
    output:
        masks="<study>/units/{model}/{images}/concepts.h5",
        table="<study>/units/{model}/{images}/concepts.csv",
        figure=report(
            "<study>/units/{model}/{images}/concepts.png",
            caption="../report/concepts.rst",
            category="Units",
            labels={
                "model": "{model}",
                "images": "{images}",
                "figure": "concepts",
            },
        ),
    log:
        "<study>/logs/concept_masks/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/concept_masks/{model}.{images}.tsv"
    group:
        together("concept_masks")
    conda:
        "../envs/convscope.yaml"
    threads: lambda w: config["units"][w.model]["threads"] if asks_units(w) else 2
    resources:
        mem_mb=megabytes("concept_masks"),
        runtime=minutes("concept_masks"),
    params:
        code=code("concept_masks"),
        settings=lambda w: argument({"concepts": concept_kinds(w)}),
        parts=lambda w, input: " ".join(
            option(name, input.get(name)) for name in ("masks", "parts")
        ),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" concept_masks --spec {input.spec:q} --images {input.images:q} {params.parts} \
            --settings {params.settings:q} --out {output.masks:q} --table {output.table:q} --figure {output.figure:q} \
            --threads {threads} --log {log:q}
        """


def concept_files():
    """The concepts of every model's image sets."""
    return [
        file
        for model, images in pairs("units")
        for file in files_of(rules.concept_masks, model=model, images=images)
    ]
