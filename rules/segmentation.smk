"""Networks of pixels: trained on masks, the masks that they predict, and how good those are."""

from convscope.segmentation.names import REGIONS
from convscope.segmentation.settings import (
    region_settings,
    regions_of,
    target_of,
    training_settings,
)


rule train_segmentation:
    """Train a network of pixels from scratch on pictures and masks; killed, it goes on after the last finished epoch."""
    input:
        images=lambda w: f"{STUDY}/datasets/{config['models'][w.model]['dataset']}/images.csv",
        masks=lambda w: f"{STUDY}/datasets/{config['models'][w.model]['dataset']}/masks_to_learn.csv",
        parts=lambda w: f"{STUDY}/datasets/{config['models'][w.model]['dataset']}/parts_to_learn.json",
    output:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        summary="<study>/models/{model}/summary.txt",
        history="<study>/models/{model}/history.csv",
        training="<study>/models/{model}/training.json",
        epochs="<study>/models/{model}/epochs.h5",
    log:
        "<study>/logs/train_segmentation/{model}.log",
    benchmark:
        "<study>/benchmarks/train_segmentation/{model}.tsv"
    wildcard_constraints:
        model=one_of(TRAINED_ON_MASKS),
    conda:
        "../envs/convscope.yaml"
    threads: lambda w: config["models"][w.model]["threads"]
    resources:
        mem_mb=megabytes("train_segmentation"),
        runtime=minutes("train_segmentation"),
        gpu=GPU,
    params:
        code=code("train_segmentation"),
        backend=BACKEND,
        settings=lambda w: argument(training_settings(config["models"][w.model])),
        state=lambda w, output: os.path.join(os.path.dirname(output.model), "state"),
        seed=SEED,
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" train_segmentation --name {wildcards.model} --images {input.images:q} --masks {input.masks:q} \
            --parts {input.parts:q} --settings {params.settings:q} --state {params.state:q} --model {output.model:q} \
            --spec {output.spec:q} --summary {output.summary:q} --history {output.history:q} --training {output.training:q} \
            --epochs {output.epochs:q} --seed {params.seed} --backend {params.backend} --threads {threads} --log {log:q}
        """


def true_masks(wildcards):
    """The part masks of an image set, where it is of a dataset."""
    dataset = config["image_sets"][wildcards.images].get("dataset")
    folder = f"{STUDY}/datasets/{dataset}"
    return (
        {"masks": f"{folder}/masks.csv", "parts": f"{folder}/parts.json"}
        if dataset
        else {}
    )


rule segment:
    """Predict the class of every pixel of an image set; the true masks lie beside, where there are any."""
    input:
        unpack(true_masks),
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        images="<study>/image_sets/{images}.csv",
    output:
        masks="<study>/segmentation/{model}/{images}/masks.h5",
    log:
        "<study>/logs/segment/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/segment/{model}.{images}.tsv"
    group:
        together("segment")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("segmentation")
    resources:
        mem_mb=megabytes("segment"),
        runtime=minutes("segment"),
        gpu=GPU,
    params:
        code=code("segment"),
        backend=BACKEND,
        target=lambda w: target_of(config["models"][w.model]),
        batch=lambda w: config["segmentation"][w.model]["batch"],
        masks=lambda w, input: " ".join(
            option(name, input.get(name)) for name in ("masks", "parts")
        ),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" segment --model {input.model:q} --spec {input.spec:q} --images {input.images:q} {params.masks} \
            --target {params.target} --batch {params.batch} --out {output.masks:q} --backend {params.backend} --threads {threads} --log {log:q}
        """


def segmentation_labels(figure):
    """How the report of the workflow calls a figure of masks."""
    return {"model": "{model}", "images": "{images}", "figure": figure}


rule segmentation_report:
    """Say how good predicted masks are, and draw them: IoU, pixel confusion, masks beside their photos, the worst pictures."""
    input:
        masks=rules.segment.output.masks,
    output:
        metrics="<study>/segmentation/{model}/{images}/metrics.json",
        classes="<study>/segmentation/{model}/{images}/classes.csv",
        pictures="<study>/segmentation/{model}/{images}/pictures.csv",
        sheet=report(
            "<study>/segmentation/{model}/{images}/masks.png",
            caption="../report/segmentation.rst",
            category="Segmentation",
            labels=segmentation_labels("masks"),
        ),
        worst=report(
            "<study>/segmentation/{model}/{images}/worst.png",
            caption="../report/segmentation.rst",
            category="Segmentation",
            labels=segmentation_labels("worst pictures"),
        ),
        confusion=report(
            "<study>/segmentation/{model}/{images}/confusion.png",
            caption="../report/segmentation.rst",
            category="Segmentation",
            labels=segmentation_labels("pixel confusion"),
        ),
        overlap=report(
            "<study>/segmentation/{model}/{images}/overlap.png",
            caption="../report/segmentation.rst",
            category="Segmentation",
            labels=segmentation_labels("intersection over union"),
        ),
    log:
        "<study>/logs/segmentation_report/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/segmentation_report/{model}.{images}.tsv"
    group:
        together("segmentation_report")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("segmentation_report"),
        runtime=minutes("segmentation_report"),
    params:
        code=code("segmentation_report"),
        shown=lambda w: config["segmentation"][w.model]["shown"],
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" segmentation_report --masks {input.masks:q} --title {wildcards.images} --shown {params.shown} \
            --metrics {output.metrics:q} --classes {output.classes:q} --pictures {output.pictures:q} --sheet {output.sheet:q} \
            --worst {output.worst:q} --confusion {output.confusion:q} --overlap {output.overlap:q} --log {log:q}
        """


rule segmentation_cam:
    """Compute Seg-Grad-CAM: Grad-CAM whose score is the sum of a class's logits over a region of pixels."""
    input:
        model="<study>/models/{model}/model.keras",
        spec="<study>/models/{model}/model.json",
        masks=rules.segment.output.masks,
    output:
        maps="<study>/segmentation/{model}/{images}/gradcam_{region}.h5",
    log:
        "<study>/logs/segmentation_cam/{model}.{images}.{region}.log",
    benchmark:
        "<study>/benchmarks/segmentation_cam/{model}.{images}.{region}.tsv"
    wildcard_constraints:
        region=one_of(REGIONS),
    group:
        together("segmentation_cam")
    conda:
        "../envs/convscope.yaml"
    threads: job_threads("segmentation")
    resources:
        mem_mb=megabytes("segmentation_cam"),
        runtime=minutes("segmentation_cam"),
        gpu=GPU,
    params:
        code=code("segmentation_cam"),
        backend=BACKEND,
        settings=lambda w: argument(
            region_settings(config["segmentation"][w.model], w.region)
        ),
        batch=lambda w: config["segmentation"][w.model]["batch"],
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" segmentation_cam --model {input.model:q} --spec {input.spec:q} --masks {input.masks:q} \
            --region={wildcards.region:q} --settings {params.settings:q} --batch {params.batch} --out {output.maps:q} \
            --backend {params.backend} --threads {threads} --log {log:q}
        """


rule segmentation_cam_figure:
    """Draw Seg-Grad-CAM over its pictures, a class beside the other, and list what each map shows."""
    input:
        maps=rules.segmentation_cam.output.maps,
    output:
        table="<study>/segmentation/{model}/{images}/gradcam_{region}.csv",
        sheet=report(
            "<study>/segmentation/{model}/{images}/gradcam_{region}.png",
            caption="../report/segmentation_cam.rst",
            category="Segmentation",
            labels=segmentation_labels("Seg-Grad-CAM, {region}"),
        ),
    log:
        "<study>/logs/segmentation_cam_figure/{model}.{images}.{region}.log",
    benchmark:
        "<study>/benchmarks/segmentation_cam_figure/{model}.{images}.{region}.tsv"
    wildcard_constraints:
        region=one_of(REGIONS),
    group:
        together("segmentation_cam_figure")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("segmentation_cam_figure"),
        runtime=minutes("segmentation_cam_figure"),
    params:
        code=code("segmentation_cam_figure"),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" segmentation_cam_figure --maps {input.maps:q} --sheet {output.sheet:q} --table {output.table:q} \
            --log {log:q}
        """


rule predicted_masks:
    """Write predicted masks as part masks, for judging explanations of pictures that have none."""
    input:
        predicted=rules.segment.output.masks,
    output:
        folder=directory("<study>/segmentation/{model}/{images}/parts"),
        masks="<study>/segmentation/{model}/{images}/parts.csv",
        parts="<study>/segmentation/{model}/{images}/parts.json",
    log:
        "<study>/logs/predicted_masks/{model}.{images}.log",
    benchmark:
        "<study>/benchmarks/predicted_masks/{model}.{images}.tsv"
    group:
        together("predicted_masks")
    conda:
        "../envs/convscope.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("predicted_masks"),
        runtime=minutes("predicted_masks"),
    params:
        code=code("predicted_masks"),
    shell:
        r"""
        python "$CONVSCOPE_SCRIPTS" predicted_masks --predicted {input.predicted:q} --out {output.folder:q} --masks {output.masks:q} \
            --parts {output.parts:q} --log {log:q}
        """


def segmentation_files():
    """The masks and reports of every network of pixels and image set, those that judging takes, and the evidence for its regions."""
    masks = [
        file
        for model, images in pairs("segmentation")
        for rule in (rules.segment, rules.segmentation_report)
        for file in files_of(rule, model=model, images=images)
    ]
    judged = {
        (part["masks"], images)
        for part in config["judging"].values()
        if part.get("masks")
        for images in part["images"]
    }
    taken = [
        file
        for model, images in sorted(judged)
        for file in files_of(rules.predicted_masks, model=model, images=images)
    ]
    evidence = [
        file
        for model, images in pairs("segmentation")
        for region in regions_of(config["segmentation"][model])
        for rule in (rules.segmentation_cam, rules.segmentation_cam_figure)
        for file in files_of(rule, model=model, images=images, region=region)
    ]
    return masks + taken + evidence
