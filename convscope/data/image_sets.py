"""Image sets: the pictures that explanations are made for, from a dataset, an evaluation, a list or a folder."""

import dataclasses
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.data.class_order import ordered
from convscope.data.folders import SkippedRow, class_folders, folders_called, picture_files
from convscope.data.groups import GROUPS, class_position, composed, group_text, label_names, same_class
from convscope.data.rows import BadRow, ImageRow
from convscope.data.sampling import sample
from convscope.errors import BadImage, UserError, nearest
from convscope.pictures.describe import Look, Looked, describe
from convscope.pictures.window import Window

_MOST_CONFIDENT = 24
_ID_LENGTH = 40
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class SetRow:
    """A picture of a set. `id` is unique in the set and safe as a file name; `label` is -1 without a class.

    `sha256` are the first 16 digits of what the file holds, and its window: another picture under the same name is another row.
    `labels` and `target` are the dataset's (`rows.ImageRow`). `classes` says how many classes the dataset has, where the set lacks
    the last.
    """

    id: str
    path: str
    class_: str
    label: int
    sha256: str
    labels: str = ""
    target: str = ""
    classes: int = 0


@dataclasses.dataclass(frozen=True)
class BadSetRow:
    """A picture that would belong to the set and cannot be read."""

    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class _Choice:
    path: str
    class_: str
    label: int
    sha256: str
    labels: str = ""
    target: str = ""


def _choice(row: ImageRow) -> _Choice:
    return _Choice(row.path, row.class_, row.label, row.sha256, row.labels, row.target)


def select_images(
    settings: Mapping[str, Any],
    images: Sequence[ImageRow] = (),
    bad: Sequence[BadRow] = (),
    predictions: Sequence[Mapping[str, str]] = (),
    seed: int = 0,
    skipped: list[SkippedRow] | None = None,
    known: Sequence[str] = (),
    look: Look = describe,
) -> tuple[list[SetRow], list[BadSetRow]]:
    """Choose the pictures of a set.

    Args:
        settings: the set's part of the config, one of
            {dataset, split?, classes?, per_class?, limit?, shuffle_seed?};
            {evaluation, dataset, split, group, classes?, per_class?, limit?, shuffle_seed?}, `group` one of `GROUPS`;
            {files: [...]}; {folder: DIR, classes?, per_class?, limit?, shuffle_seed?}.
            `on_bad_image: fail` stops at a bad picture in every form, `window` is [black, white] of files and folders (a dataset
            has its own). Classes may be numbers, see `groups.class_position`.
        images, bad: the dataset's tables, for the first two forms.
        predictions: rows of the evaluation's predictions.csv, for the second.
        seed: used where there is no `shuffle_seed`.
        skipped: gets what lies in a folder and is no picture.
        known: the classes of the evaluated model, in its order.
        look: opens one picture of a list or a folder.

    Returns:
        (pictures, bad pictures). Fewer than all are chosen by a seeded permutation, evenly over the classes, and listed
        by class and path; `most_confident_errors` by falling confidence, `files` as given. A set may be empty.

    Raises:
        UserError: a class, split, group or folder does not exist, or a picture is bad and `on_bad_image` is fail.
    """
    seed = int(settings.get("shuffle_seed", seed))
    settings = _with_names(settings, images)
    window = (float(settings["window"][0]), float(settings["window"][1])) if settings.get("window") else None
    if "files" in settings:
        files = [_Choice(path, "", -1, "") for path in dict.fromkeys(settings["files"])]
        chosen, unreadable = _readable(files, window, look)
    elif "folder" in settings:
        chosen, unreadable = _readable(_sampled(_from_folder(settings, skipped), settings, seed), window, look)
    elif "evaluation" in settings:
        chosen, unreadable = _from_evaluation(settings, images, predictions, seed, known), []
    elif "dataset" in settings:
        narrowed = _narrowed(images, settings)
        unreadable = [BadSetRow(row.path, row.reason) for row in _narrowed_bad(bad, settings)]
        chosen = _sampled([_choice(row) for row in narrowed], settings, seed)
    else:
        raise UserError("an image set needs one of the keys 'dataset', 'evaluation', 'files', 'folder'")
    if unreadable and settings.get("on_bad_image") == "fail":
        first = "; ".join(f"{row.path!r} ({row.reason})" for row in unreadable[:3])
        raise UserError(f"on_bad_image is 'fail' and {len(unreadable)} pictures are bad: {first}; mend or remove them")
    ids = image_ids([(row.class_, row.path) for row in chosen])
    count = max((row.label for row in images), default=-1) + 1
    if max((row.label for row in chosen), default=-1) + 1 >= count:
        count = 0
    rows = zip(ids, chosen, strict=True)
    return [SetRow(i, r.path, r.class_, r.label, r.sha256, r.labels, r.target, count) for i, r in rows], unreadable


def image_ids(pictures: Sequence[tuple[str, str]]) -> list[str]:
    """Short file-name-safe ids of (class, path) pairs, unique also where case does not count.

    The file's stem; among equal stems the class in front; among equal ones of these, a hash of the path behind. Ids do
    not depend on the order of the pictures, nor on where the dataset lies.
    """
    stems = [_slug(Path(path).stem) for _, path in pictures]
    with_class = [_slug(f"{name}_{stem}") if name else stem for (name, _), stem in zip(pictures, stems, strict=True)]
    hashed = [
        f"{longer[: _ID_LENGTH - 9]}-{_digest(path)}" for longer, (_, path) in zip(with_class, pictures, strict=True)
    ]
    result = list(stems)
    for better in (with_class, hashed):
        counts = Counter(name.lower() for name in result)
        result = [new if counts[old.lower()] > 1 else old for old, new in zip(result, better, strict=True)]
    seen: set[str] = set()
    for index, name in enumerate(result):
        number = 2
        while result[index].lower() in seen:  # the same file twice, or a file called like another one's hash
            result[index], number = f"{name}-{number}", number + 1
        seen.add(result[index].lower())
    return result


def _digest(path: str) -> str:
    # Split, class and file name: enough to tell pictures apart, and the same on another disk.
    return hashlib.sha256(composed("/".join(Path(path).parts[-3:])).encode(errors="surrogateescape")).hexdigest()[:8]


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:_ID_LENGTH].strip("_")
    return f"image_{slug}".strip("_") if not slug or _RESERVED.fullmatch(slug) else slug


def _narrowed(images: Iterable[ImageRow], settings: Mapping[str, Any]) -> list[ImageRow]:
    images = list(images)
    if split := settings.get("split"):
        splits = sorted({row.split for row in images})
        if split not in splits:
            where = f"dataset '{settings.get('dataset')}'"
            raise UserError(f"split: {where} has no split '{split}' ({nearest(split, splits)})")
        images = [row for row in images if row.split == split]
    shown = {row.path: {row.class_, *label_names(row.labels)} for row in images}
    _check_classes(settings, set().union(*shown.values()) - {""})
    wanted = set(settings.get("classes") or [])
    rows = [row for row in images if not wanted or wanted & shown[row.path]]
    return sorted(rows, key=lambda row: (row.label, row.path))


def _narrowed_bad(bad: Iterable[BadRow], settings: Mapping[str, Any]) -> list[BadRow]:
    split, classes = settings.get("split"), settings.get("classes")
    return [row for row in bad if (not split or row.split == split) and (not classes or row.class_ in classes)]


def _check_classes(settings: Mapping[str, Any], present: Iterable[str]) -> None:
    known = sorted(present)
    for name in settings.get("classes") or []:
        if composed(name) not in known:
            raise UserError(f"classes: there is no class '{name}' ({nearest(name, known)})")


def _sampled(rows: Sequence[_Choice], settings: Mapping[str, Any], seed: int) -> list[_Choice]:
    return sample(
        rows, lambda row: row.path, lambda row: row.class_, seed, settings.get("per_class"), settings.get("limit")
    )


def _from_evaluation(
    settings: Mapping[str, Any],
    images: Iterable[ImageRow],
    predictions: Sequence[Mapping[str, str]],
    seed: int,
    classes: Sequence[str],
) -> list[_Choice]:
    given = group_text(settings.get("group", "errors"))
    group, _, wanted = given.partition(":")
    kinds = [kind.partition(":")[0] for kind in GROUPS]
    needs_class = f"{group}:<class>" in GROUPS
    if group not in kinds or needs_class != bool(wanted):
        hint = f"write '{group}:' and a class" if needs_class else nearest(given, GROUPS)
        raise UserError(f"group: '{given}' is not a group of predictions ({hint})")
    _check_group(group, predictions)
    labels = _labels(predictions, classes)
    if wanted and wanted not in labels:
        # One name a class: the dataset's and the model's may differ in a plural s.
        wanted = same_class(wanted, {label: name for name, label in reversed(labels.items())}.values()) or wanted
    for name in ([wanted] if wanted else []) + list(settings.get("classes") or []):
        if predictions and name not in labels:
            raise UserError(f"there is no class '{name}' among the predictions ({nearest(name, sorted(labels))})")
    of_class = {labels[name] for name in settings.get("classes") or [] if name in labels}
    rows = [
        row
        for row in predictions
        if _belongs(row, group, labels.get(wanted, -1), wanted) and (not of_class or _is_of(row, of_class, labels))
    ]
    if group in ("most_confident_errors", "most_wrong"):
        # Of many labels, and of numbers, the size of the error.
        by = "error" if "error" in (predictions[0] if predictions else {}) else "confidence"
        rows = sorted(rows, key=lambda row: (-float(row[by]), row["path"]))
        rows = _surest(rows, settings)
        settings = {}
    else:
        rows = sorted(rows, key=lambda row: (int(row["label"]), row["path"]))
    known = {row.path: _choice(row) for row in images}
    # The predictions count classes as the model does; a set keeps the labels of its dataset.
    choices = [known.get(r["path"]) or _Choice(r["path"], r["class"], int(r["label"]), r["sha256"]) for r in rows]
    return _sampled(choices, settings, seed)


def _surest(rows: Sequence[Mapping[str, str]], settings: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The first of rows by falling confidence: `per_class` of each true class, `limit` in all, 24 where neither is given."""
    per_class, limit = settings.get("per_class"), settings.get("limit")
    taken: Counter[str] = Counter()
    result = []
    for row in rows:
        taken[row["label"]] += 1
        if per_class is None or taken[row["label"]] <= per_class:
            result.append(row)
    return result[: limit if limit or per_class else _MOST_CONFIDENT]


def _with_names(settings: Mapping[str, Any], images: Iterable[ImageRow]) -> dict[str, Any]:
    """The settings with the dataset's names for classes that are chosen by number (see `groups.class_position`)."""
    known = {row.label: row.class_ for row in images}
    if "folder" in settings and (folder := Path(settings["folder"])).is_dir():
        known = dict(enumerate(ordered(class_folders(folder), None, folder)))
    names = [known.get(label, "") for label in range(max(known, default=-1) + 1)]

    def name(wanted: str | int) -> str:
        numbered = isinstance(wanted, int) or wanted.isdecimal()
        return names[class_position(wanted, names, "classes")] if numbered and names else composed(str(wanted))

    result = dict(settings)
    if settings.get("classes"):
        result["classes"] = [name(wanted) for wanted in settings["classes"]]
    if "group" in settings:
        group, colon, wanted = group_text(settings["group"]).partition(":")
        result["group"] = group + colon + (name(wanted) if wanted else "")
    return result


def _labels(predictions: Sequence[Mapping[str, str]], classes: Sequence[str]) -> dict[str, int]:
    """The model's label of every class name, be it the dataset's ("cats") or the model's own ("cat")."""
    first = predictions[0] if predictions else {}
    own = list(classes) or [name.removeprefix("p_") for name in first if name.startswith("p_")]
    labels = {name: label for label, name in enumerate(own)}
    if "error" in first:
        return labels
    for row in predictions:
        labels.setdefault(row["class"], int(row["label"]))
        labels.setdefault(row["predicted"], int(row["predicted_label"]))
    return labels


def _check_group(group: str, predictions: Sequence[Mapping[str, str]]) -> None:
    first = predictions[0] if predictions else {}
    if "error" in first and "labels" not in first and group not in ("all", "most_wrong"):
        raise UserError(f"group: '{group}' is of classes, and the model predicts numbers; take most_wrong or all")
    if first and "error" not in first and group == "most_wrong":
        raise UserError(
            "group: 'most_wrong' is of models of numbers or of many labels; of classes there is most_confident_errors"
        )


def _belongs(row: Mapping[str, str], group: str, wanted: int, name: str) -> bool:
    if group == "all":
        return True
    if "error" in row:
        return _belongs_by_error(row, group, name)
    # By number: the dataset's "cats" may well be the model's "cat".
    true, predicted = int(row["label"]), int(row["predicted_label"])
    if true < 0:
        return False  # without a true class there is neither right nor wrong
    if group == "correct":
        return true == predicted
    if group in ("errors", "most_confident_errors"):
        return true != predicted
    if group == "true_positives":
        return true == predicted == wanted
    if group == "false_negatives":
        return true == wanted != predicted
    return predicted == wanted != true


def _belongs_by_error(row: Mapping[str, str], group: str, name: str) -> bool:
    """The same of a picture with many labels, or with a number."""
    if not row["error"]:
        return False  # nothing is known of it
    if group == "most_wrong":
        return True
    if group in ("correct", "errors", "most_confident_errors"):
        return (row["correct"] == "true") == (group == "correct")
    there, seen = name in label_names(row["labels"]), name in label_names(row["predicted_labels"])
    return {"true_positives": (True, True), "false_negatives": (True, False)}.get(group, (False, True)) == (there, seen)


def _is_of(row: Mapping[str, str], wanted: set[int], labels: Mapping[str, int]) -> bool:
    if "labels" in row:
        return any(labels[name] in wanted for name in label_names(row["labels"]))
    return int(row["label"]) in wanted


def _from_folder(settings: Mapping[str, Any], skipped: list[SkippedRow] | None) -> list[_Choice]:
    folder = Path(settings["folder"])
    if not folder.is_dir():
        raise UserError(f"folder: no such folder: {folder}")
    classes = class_folders(folder)
    if not classes:
        if settings.get("classes"):
            raise UserError(f"classes: {folder} has no class folders")
        return [_Choice(str(path), "", -1, "") for path in picture_files(folder, skipped)]
    _check_classes(settings, classes)
    # The labels of a folder of its own follow its class names; models are matched by name, not by number.
    classes = ordered(classes, settings.get("classes"), folder)
    return [
        _Choice(str(path), name, label, "")
        for label, name in enumerate(classes)
        for place in folders_called(folder, name)
        for path in picture_files(place, skipped)
    ]


def _readable(choices: Iterable[_Choice], window: Window | None, look: Look) -> tuple[list[_Choice], list[BadSetRow]]:
    good: list[_Choice] = []
    bad: list[BadSetRow] = []
    for choice in choices:
        try:
            seen = look(choice.path, Looked(min_side=1, window=window))
            good.append(dataclasses.replace(choice, sha256=seen.sha256))
        except BadImage as error:
            bad.append(BadSetRow(choice.path, str(error)))
    return good, bad
