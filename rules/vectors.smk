"""Concept vectors: which concepts a class depends on, of those that have a name and of those that are found without labels."""


def vector_sources(wildcards):
    """The part masks of the dataset that an image set is of."""
    dataset = config["image_sets"][wildcards.images].get("dataset")
    if dataset is None or "part" not in config["concepts"][wildcards.model]["concepts"]:
        return {}
    folder = f"{STUDY}/datasets/{dataset}"
    return {"masks": f"{folder}/masks.csv", "parts": f"{folder}/parts.json"}


def own_concepts(wildcards):
    """The image sets of the user's own concepts, and the random ones that these are told from."""
    part = config["concepts"][wildcards.model]
    sets = [*part["pictures"].values(), *([part["random"]] if "random" in part else [])]
    return [f"{STUDY}/image_sets/{images}.csv" for images in sets]


def own_options(wildcards):
    """The same as options of the command."""
    part = config["concepts"][wildcards.model]
    tables = [
        f"{STUDY}/image_sets/{images}.csv" for images in part["pictures"].values()
    ]
    own = (
        f"--own {shlex.join(tables)} --named {shlex.join(part['pictures'])}"
        if tables
        else ""
    )
    random = f"{STUDY}/image_sets/{part['random']}.csv" if "random" in part else ""
    return f"{own} {option('random', random)}".strip()


rule concept_vectors:
    """Ask a model which concepts its classes depend on: by vectors of examples, and by concepts found without labels."""
    input:
        unpack(vector_sources),
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        layers="<study>/models/{model}/layers.csv",
        images="<study>/image_sets/{images}.csv",
        own=own_concepts,
    output:
        whole="<study>/concepts/{model}/{images}/concepts.h5",
        vectors="<study>/concepts/{model}/{images}/vectors.csv",
        found="<study>/concepts/{model}/{images}/found.csv",
    log:
        "<study>/logs/concept_vectors/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/concept_vectors/{model}.{images}.tsv"
    group:
        together("concept_vectors")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("concepts")
    resources:
        mem_mb=megabytes("concept_vectors"),
        runtime=minutes("concept_vectors"),
        gpu=GPU,
    params:
        code=code("concept_vectors"),
        backend=BACKEND,
        settings=settings(
            "concepts",
            "{model}",
            without=["images", "pictures", "random", "patterns"],
        ),
        masks=lambda w, input: " ".join(
            option(name, input.get(name)) for name in ("masks", "parts")
        ),
        own=own_options,
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" concept_vectors --model {input.model:q} --spec {input.spec:q} --layers {input.layers:q} \
            --images {input.images:q} {params.masks} {params.own} --settings {params.settings:q} --out {output.whole:q} \
            --vectors {output.vectors:q} --found {output.found:q} --seed {params.seed} --backend {params.backend} \
            --threads {threads} --log {log:q}
        """


rule concept_patterns:
    """Find a pattern for each concept that was found without labels, by gradient ascent."""
    input:
        whole=rules.concept_vectors.output.whole,
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
    output:
        patterns="<study>/concepts/{model}/{images}/patterns.h5",
    log:
        "<study>/logs/concept_patterns/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/concept_patterns/{model}.{images}.tsv"
    group:
        together("concept_patterns")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("concepts")
    resources:
        mem_mb=megabytes("concept_patterns"),
        runtime=minutes("concept_patterns"),
        gpu=GPU,
    params:
        code=code("concept_patterns"),
        backend=BACKEND,
        preset=lambda w: config["concepts"][w.model]["patterns"],
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" concept_patterns --model {input.model:q} --spec {input.spec:q} --concepts {input.whole:q} \
            --preset {params.preset} --out {output.patterns:q} --seed {params.seed} --backend {params.backend} --threads {threads} \
            --log {log:q}
        """


def pattern_sources(wildcards):
    """The patterns of the concepts that were found, where they are asked for."""
    part = config["concepts"][wildcards.model]
    if part["patterns"] == "none" or not part["found"]:
        return {}
    (made,) = files_of(rules.concept_patterns, **wildcards)
    return {"patterns": made}


rule concept_sheets:
    """Draw which concepts the classes depend on, and the concepts that were found: crops, patterns, and where they are in pictures."""
    input:
        unpack(pattern_sources),
        whole=rules.concept_vectors.output.whole,
        vectors=rules.concept_vectors.output.vectors,
        found=rules.concept_vectors.output.found,
        spec="<study>/models/{model}/model.json",
    output:
        sheets=directory("<study>/concepts/{model}/{images}/sheets"),
        figure=report(
            "<study>/concepts/{model}/{images}/vectors.png",
            caption="../report/vectors.rst",
            category="Concepts",
            labels={
                "model": "{model}",
                "images": "{images}",
                "figure": "what classes depend on",
            },
        ),
    log:
        "<study>/logs/concept_sheets/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/concept_sheets/{model}.{images}.tsv"
    group:
        together("concept_sheets")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("concept_sheets"),
        runtime=minutes("concept_sheets"),
    params:
        code=code("concept_sheets"),
        patterns=lambda w, input: option("patterns", input.get("patterns")),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" concept_sheets --concepts {input.whole:q} --vectors {input.vectors:q} --found {input.found:q} \
            {params.patterns} --spec {input.spec:q} --sheets {output.sheets:q} --figure {output.figure:q} --log {log:q}
        """


def vector_files(wildcards):
    """What the classes of every model depend on, and its sheets."""
    return [
        file
        for model, images in pairs("concepts")
        for rule in (rules.concept_vectors, rules.concept_sheets)
        for file in files_of(rule, model=model, images=images)
    ]
