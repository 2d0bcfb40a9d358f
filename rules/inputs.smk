"""What the rules take: files made by other rules, folders of the user, and settings in the form a script wants."""

DOWNLOADS = downloads_of(config)


def downloaded(url):
    """Where a study has what it downloads."""
    return f"{STUDY}/downloads/{download_name(url)}"


def local_content(url):
    """What a file of this computer holds that an address names; it may be replaced at any time."""
    path = local_file(url)
    return content_of(path) if path and path.is_file() else ""


def secret_url(file):
    """The argument that names the environment's variable with a whole address, where a part of it is secret.

    A command is printed when it fails, and is kept in .snakemake with all parameters; the environment is not.
    """
    url = DOWNLOADS[file].url
    if not has_secrets(url):
        return ""
    name = f"CONVSCOPE_URL_{file[:8]}"
    os.environ[name] = url
    return f"--url-in {name}"


def dataset_content(wildcards):
    """Digest of the pictures made for a dataset; the folder itself is known to Snakemake by its time alone."""
    source = config["datasets"][wildcards.dataset]["source"]
    made = {
        "drawn_pets": rules.draw_pets.output.content,
        "drawn_produce": rules.draw_produce.output.content,
        "archive": rules.extract.output.content,
        "path": [],
    }
    return made[source]


def dataset_path(wildcards):
    """Where a dataset's pictures lie."""
    dataset = config["datasets"][wildcards.dataset]
    made = {**dict.fromkeys(DRAWN_KINDS, "drawn"), "archive": "extracted"}.get(
        dataset["source"]
    )
    return (
        f"{STUDY}/datasets/{wildcards.dataset}/{made}"
        if made
        else os.path.expanduser(dataset["path"])
    )


def dataset_settings(wildcards):
    """A dataset's part of the config as its script wants it: drawn pictures already lie in a folder a split."""
    dataset = dict(sorted(config["datasets"][wildcards.dataset].items()))
    for key in ("url", "sha256", "max_bytes", "max_files"):
        dataset.pop(key, None)
    if dataset["source"] in DRAWN_KINDS:
        dataset["splits"] = {split: split for split in dataset.pop("images_per_class")}
    below = masks_below(dataset)
    # Elsewhere they cannot be taken for a class.
    if dataset.pop("masks", None) and below:
        dataset["masks"] = below
    return json.dumps(dataset)


def splits_in_order(wildcards):
    """The names of a dataset's splits as the config lists them, as JSON."""
    return json.dumps(splits_of(config["datasets"][wildcards.dataset]))


def dataset_fingerprint(wildcards):
    """What a user's folder holds, its part masks left out; changes with its content, not with a touch."""
    dataset = config["datasets"][wildcards.dataset]
    if dataset["source"] != "path":
        return ""
    below = masks_below(dataset)
    return content_of(dataset["path"], "parts.json", *([below] if below else []))


def masks_settings(wildcards):
    """What the list of a dataset's part masks depends on, as JSON."""
    dataset = config["datasets"][wildcards.dataset]
    used = ("source", "folder", "masks")
    return json.dumps({key: dataset[key] for key in used if key in dataset})


def masks_fingerprint(wildcards):
    """What a user's part masks hold, and what names their parts, wherever they lie."""
    dataset = config["datasets"][wildcards.dataset]
    if dataset["source"] != "path" or not dataset.get("masks"):
        return []
    root = Path(dataset["path"]).expanduser()
    places = [root / dataset["masks"], root / "parts.json"]
    return [content_of(place) for place in places if place.exists()]


def image_set_sources(wildcards):
    """The tables an image set is chosen from."""
    part = config["image_sets"][wildcards.images]
    if "urls" in part:
        return {"photos": [downloaded(url) for url in part["urls"]]}
    if "dataset" not in part:
        return {}
    folder = f"{STUDY}/datasets/{part['dataset']}"
    sources = {"images": f"{folder}/images.csv", "bad_images": f"{folder}/bad.csv"}
    if "evaluation" in part:
        split = f"{part['dataset']}.{part['split']}"
        sources["predictions"] = (
            f"{STUDY}/evaluation/{part['evaluation']}/{split}/predictions.csv"
        )
    return sources


def image_set_arguments(wildcards):
    """The same tables as arguments."""
    tables = {
        key: path
        for key, path in image_set_sources(wildcards).items()
        if key != "photos"
    }
    return " ".join(
        f"--{name.replace('_', '-')} {path}" for name, path in tables.items()
    )


def image_set_settings(wildcards):
    """An image set's part of the config as its script wants it: what is downloaded is a file by then."""
    part = dict(sorted(config["image_sets"][wildcards.images].items()))
    if part.pop("urls", None):
        part["files"] = image_set_sources(wildcards)["photos"]
    return json.dumps(part)


def image_set_fingerprint(wildcards):
    """What the user's files of an image set hold."""
    part = config["image_sets"][wildcards.images]
    places = part.get("files", []) + ([part["folder"]] if "folder" in part else [])
    local = [url for url in part.get("urls", []) if local_file(url)]
    return [content_of(place) for place in places] + [
        local_content(url) for url in local
    ]


def model_settings(wildcards):
    """An imported model's part of the config, as JSON; a checksum that is the file's own changes nothing."""
    model = dict(config["models"][wildcards.model])
    file = model.get("path") or model.get("weights", "")
    if os.path.isfile(os.path.expanduser(file)):
        if model.get("sha256", "").startswith(content_of(file)):
            del model["sha256"]
    return json.dumps(model, sort_keys=True)


def model_fingerprint(wildcards):
    """What the files of a model on disk hold."""
    model = config["models"][wildcards.model]
    candidates = [model.get(key) for key in ("path", "preset", "weights")]
    if model.get("folder"):
        candidates.append(os.path.join(model["folder"], model["preset"]))
    return [
        content_of(place)
        for place in candidates
        if place and os.path.exists(os.path.expanduser(place))
    ]


def trained_curves():
    """Training curves of every trained model."""
    return expand(rules.training_curves.output.curves, model=TRAINED)


def files_of(rule, **wildcards):
    """Every file that a rule makes, so that a lost one is made again; a folder (no suffix) has no content to compare."""
    return [
        made.format(**wildcards) for made in rule.output if os.path.splitext(made)[1]
    ]


def evaluated(rule):
    """The files of every model's evaluation or report, on every split it is tested on."""
    return [
        file
        for model, parts in config["evaluations"].items()
        for dataset, split in map(dataset_and_split, parts)
        for file in files_of(rule, model=model, dataset=dataset, split=split)
    ]


def report_labels(figure):
    """How the report of the workflow calls a figure of an evaluation."""
    return {
        "model": "{model}",
        "tested on": "{dataset}/{split}",
        "figure": figure,
    }


def activation_figures():
    """The pictures of every model's activations."""
    return [
        file
        for model, images in pairs("activations")
        for file in files_of(rules.channel_sheets, model=model, images=images)
    ]


def filter_settings(wildcards):
    """A model's settings for one preset, as JSON; which layers are asked for, and the threads, change no pattern."""
    part = for_preset(config["filters"][wildcards.model], wildcards.preset)
    ignored = ("threads", "layers", *without_effect(part))
    used = {key: part[key] for key in part if key not in ignored}
    return json.dumps(used, sort_keys=True)


def filter_figures(wildcards):
    """The grid of every layer of every model that filters are asked for."""
    return [
        file
        for model in config["filters"]
        for preset in preset_names(config["filters"][model])
        for layer in selected("filters", model, CONVOLUTIONS)
        for file in files_of(rules.filter_grid, model=model, preset=preset, layer=layer)
    ]


def cam_settings(wildcards):
    """What a shard of class activation maps depends on, as JSON: methods that it does not hold do not matter to it."""
    part = config["cams"][wildcards.model]
    used = {key: part[key] for key in ("class", "layer", "batch") if key in part}
    used["methods"] = methods_of(wildcards.family, part["methods"])
    if "score_channels" in part and wildcards.family == "score_cam":
        used["score_channels"] = part["score_channels"]
    return json.dumps(used, sort_keys=True)


def cam_gap_head(wildcards):
    """The head that CAM takes, where CAM is among the methods."""
    wanted = config["cams"][wildcards.model]["methods"]
    made = "cam" in methods_of(wildcards.family, wanted)
    return {"head": rules.gap_head.output.head} if made else {}


def gap_head_settings(model):
    """The layer of a model's GAP head, and the pictures to train and test one with, where any are named."""
    head = gap_head_of(model, config) or {}
    return {"layer": config["cams"][model].get("layer"), **head}


def gap_head_images(wildcards):
    """The pictures to train a GAP head with, where any are named."""
    dataset = gap_head_settings(wildcards.model).get("dataset")
    return {"images": f"{STUDY}/datasets/{dataset}/images.csv"} if dataset else {}


def cam_figures():
    """The overlays of every model and image set that maps are asked for, method by method."""
    return [
        file
        for model, images in pairs("cams")
        for method in CAMS
        if method in config["cams"][model]["methods"]
        for file in files_of(rules.overlays, model=model, images=images, method=method)
    ]


def attribution_methods(model):
    """The attribution methods chosen for a model, in the order in which they are shown."""
    return chosen_methods(config["attributions"][model]["methods"])


def autoencoder(wildcards):
    """The auto-encoder of a contrastive method, where its settings name a dataset for one."""
    own = config["attributions"][wildcards.model].get(wildcards.method, {})
    dataset = own.get("autoencoder")
    if not dataset:
        return {}
    trained = rules.train_autoencoder.output.model
    return {"autoencoder": trained.format(model=wildcards.model, dataset=dataset)}


def attribution_settings(wildcards):
    """What one method's maps depend on, as JSON: what other methods are set to does not matter to it."""
    part = config["attributions"][wildcards.model]
    used = ["class", "batch", wildcards.method]
    used += ["layer"] * ATTRIBUTIONS[wildcards.method].layer
    return json.dumps({key: part[key] for key in used if key in part}, sort_keys=True)


def attribution_style(wildcards):
    """What the pictures of attribution maps depend on, as JSON."""
    part = config["attributions"][wildcards.model]
    used = ("colormap", "diverging", "percentile", "scale")
    return json.dumps({key: part[key] for key in used}, sort_keys=True)


def attribution_figures():
    """The pictures of every method of every model and image set that is explained, alone and side by side."""
    alone = [
        file
        for model, images in pairs("attributions")
        for method in attribution_methods(model)
        for file in files_of(
            rules.attribution_figures, model=model, images=images, method=method
        )
    ]
    beside = [
        file
        for model, images in pairs("attributions")
        for file in files_of(rules.side_by_side, model=model, images=images)
    ]
    return alone + beside
