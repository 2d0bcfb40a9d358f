"""The command `convscope`: thin over Snakemake, which does the work and may be used by itself."""

import argparse
import atexit
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from convscope.backends.names import DEFAULT, choose
from convscope.config import WORKFLOW, complete
from convscope.errors import UserError, in_one_line
from convscope.jobs.lean_imports import collect_rarely, keras_alone, leave_the_garbage
from convscope.storage.places import is_file

_EPILOGUE = {
    "why": """examples:
  convscope why cat.jpg
  convscope why photos/ --model Xception --method integrated_gradients
  convscope why cat.jpg --model model.h5 --classes cat,dog --target dog""",
    "explain": """examples:
  convscope explain model.keras cat.jpg dog.jpg
  convscope explain Xception photos/
  convscope explain model.h5 cat.jpg --classes cat,dog --only-write
  convscope explain digits.h5 seven.png --set preprocessing.scale=0.00392""",
    "init": """examples:
  convscope init --data photos/
  convscope init --data photos/ --model model.keras --study mine""",
    "run": """examples:
  convscope run mine.yaml
  convscope run mine.yaml -- --cores 4 -n
  convscope run mine.yaml -- --workflow-profile slurm""",
    "check": """example:
  convscope check mine.yaml""",
    "verify": """examples:
  convscope verify mine.yaml
  convscope verify mine.yaml --repair
  convscope verify mine.yaml --repair -- --profile profiles/slurm
  convscope verify elsewhere/results/mine""",
    "progress": """example:
  convscope progress mine.yaml""",
}
_CORES = ("--cores", "--jobs", "--profile", "--workflow-profile", "--executor")
_STUDY = ("--configfile", "--configfiles")


def main(given: Sequence[str] | None = None) -> None:
    """Run the command; ends the process.

    Exit codes: 0 all is well; 1 a mistake of the user's, or a job that failed; 2 arguments that are none.
    """
    arguments = list(sys.argv[1:] if given is None else given)
    rest: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, rest = arguments[:at], arguments[at + 1 :]
    args = _parser().parse_args(arguments)
    if given is None and args.command == "why":
        # As a job of the pipeline, in a process of its own: half of the time is that of TensorFlow's start.
        choose(DEFAULT)
        keras_alone()
        collect_rarely()
        atexit.register(leave_the_garbage)
    if rest and args.command not in ("run", "explain", "verify"):
        _parser().error(f"{args.command} hands nothing to Snakemake")
    try:
        raise SystemExit(args.act(args, rest))
    except UserError as error:
        print(f"convscope: {in_one_line(str(error))}", file=sys.stderr)
        raise SystemExit(1) from None


def _explain(args: argparse.Namespace, rest: list[str]) -> int:
    from convscope.command.studies import explain_study

    _check_name(args.study)
    study, text = explain_study(
        args.model, args.pictures, args.study, _words(args.classes), args.image_size, _settings(args.set)
    )
    path = _write(Path(f"{study}.yaml"), text, args.force)
    if args.only_write:
        print(f"{path} is written; convscope run {path} makes its figures")
        return 0
    print(f"{path} is written. Its figures are made now; then open results/{study}/gallery/index.html in a browser.")
    return _snakemake(path, rest)


def _why(args: argparse.Namespace, rest: list[str]) -> int:
    from convscope.command.studies import model_entry
    from convscope.command.why import why

    part, name = model_entry(args.model, _words(args.classes), args.image_size, settings=_settings(args.set))
    target = int(args.target) if args.target.isdecimal() else args.target
    own = {} if args.layer is None else {"layer": args.layer}
    return 1 if why(part, name, args.pictures, args.method, target, args.top, args.out, **own) else 0


def _init(args: argparse.Namespace, rest: list[str]) -> int:
    from convscope.command.look import expanded, name_from
    from convscope.command.studies import init_study

    _check_name(args.study)
    named = args.study or name_from(expanded(args.data or args.model or "study").resolve().stem)
    text = init_study(named, args.data, args.model, _words(args.classes), args.image_size, _settings(args.set))
    path = _write(Path(f"{named}.yaml"), text, args.force)
    print(f"{path} is written; look at it, and make its figures by: convscope run {path}")
    return 0


def _run(args: argparse.Namespace, rest: list[str]) -> int:
    return _snakemake(args.study, rest)


def _check(args: argparse.Namespace, rest: list[str]) -> int:
    config = _checked(args.study)
    counts = {key: len(config[key]) for key in ("datasets", "models", "image_sets")}
    print(f"{args.study}: all is well ({', '.join(f'{count} {key}' for key, count in counts.items())})")
    return 0


def _progress(args: argparse.Namespace, rest: list[str]) -> int:
    _checked(args.study)
    return _become([str(WORKFLOW / "scripts"), "progress", "--config", str(args.study)])


def _verify(args: argparse.Namespace, rest: list[str]) -> int:
    from convscope.command.verify import verify_folder, verify_study

    if args.study.is_dir():
        if rest:
            raise UserError(
                f"{args.study} is a folder of results, which hands nothing to Snakemake; name the study's file"
            )
        return verify_folder(args.study, args.repair)
    return verify_study(_read(args.study)["study"], _forward(args.study, rest), args.repair)


def _checked(study: Path) -> dict:
    """The completed config of a study file, every name in it looked at.

    Raises:
        UserError: a mistake in it, with file and line.
    """
    from convscope.check import check_study

    return _read(study, check_study)


def _read(study: Path, check: Callable[[dict], None] | None = None) -> dict:
    """The completed config of a study file.

    Raises:
        UserError: a mistake in it, or one that `check` finds, with file and line.
    """
    from convscope.storage.config_file import located, read_config_file

    if not study.is_file():
        raise UserError(f"the study '{study}' does not exist; convscope init writes one")
    written = read_config_file(study)
    text = study.read_text(encoding="utf-8-sig")
    try:
        # As Snakemake reads it: JSON where it is JSON.
        try:
            content = json.loads(text)
        except ValueError:
            content = yaml.safe_load(text)
        config = complete(content or {})
        if check is not None:
            check(config)
    except UserError as error:
        raise UserError(located(str(error), [written])) from None
    return config


def _snakemake(study: Path | None, rest: list[str]) -> int:
    """Run the workflow in this folder, on all cores unless told."""
    return _become(_forward(study, rest))


def _forward(study: Path | None, rest: list[str]) -> list[str]:
    """How Snakemake is called for a study, with what was given behind --."""
    if study is not None and not study.is_file():
        raise UserError(f"the study '{study}' does not exist; convscope init writes one")
    if any(word.partition("=")[0] in _STUDY for word in rest):
        raise UserError("name the study before --, not by --configfile: two are read one over the other")
    told = any(word.partition("=")[0] in _CORES or word.startswith(("-c", "-j", "-e")) for word in rest)
    cores = [] if told or os.environ.get("SNAKEMAKE_PROFILE") else ["--cores", "all"]
    config = [] if study is None else ["--configfile", str(study)]
    return ["-m", "snakemake", "--snakefile", str(WORKFLOW / "Snakefile"), *cores, *rest, *config]


def _become(words: list[str]) -> int:
    """Go on as another Python program: signals and exit code are its own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606


def _check_name(study: str | None) -> None:
    if study is not None and not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", study):
        raise UserError(f"--study: '{study}' is no name of a study; letters, digits, - and _ make one")


def _write(path: Path, text: str, force: bool) -> Path:
    """Write a study, if all in it leads somewhere.

    Raises:
        UserError: it does not, or a file of the name says something else.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise UserError("a name is no text (not UTF-8), and cannot stand in a study file; rename the file") from None
    if path.exists() and not force and path.read_bytes() != content:
        raise UserError(f"{path} is there and says something else; name another --study, or replace it by --force")
    with tempfile.TemporaryDirectory() as folder:
        tried = Path(folder) / path.name
        tried.write_bytes(content)
        try:
            _checked(tried)
        except UserError as error:
            raise UserError(str(error).replace(f"{folder}{os.sep}", "").replace(os.path.relpath(folder), "")) from None
    path.write_bytes(content)
    return path


def _size(text: str) -> int | list[int]:
    """A side, or the height and width of a rectangle: 64x128."""
    sides = text.removeprefix("-").lower().split("x")
    if len(sides) > 2 or not all(side.strip().isdecimal() for side in sides):
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write a side (224), or HEIGHTxWIDTH (64x128)")
    return int(text) if len(sides) == 1 else [int(side) for side in sides]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of classes; 5, say")
    return int(text)


def _words(text: str | None) -> list[str]:
    """Class names: parted by commas, or a line each in a file."""
    if not text:
        return []
    if len(text) < 200 and is_file(Path(text)):
        try:
            lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
        except ValueError:
            raise UserError(f"--classes: '{text}' is no text in UTF-8; save it as such") from None
        return [line.strip() for line in lines if line.strip()]
    return [word.strip() for word in text.split(",") if word.strip()]


def _settings(words: Sequence[str]) -> dict[str, Any]:
    """Keys of a model and their values in YAML: `KEY=VALUE` each, a key within another one behind a dot.

    Raises:
        UserError: there is no =, the value is no YAML, or one key is both a value and a group.
    """
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        *outer, last = key.strip().split(".")
        if not equals or not last:
            raise UserError(
                f"--set {word}: KEY=VALUE is expected, preprocessing=tf, say; the keys are in docs/config.md"
            )
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UserError(f"--set {word}: '{value}' is no YAML; put it in quotation marks") from None
        inside = settings
        for name in outer:
            inside = inside.setdefault(name, {})
            if not isinstance(inside, dict):
                raise UserError(f"--set {word}: '{name}' has a value already")
        inside[last] = parsed
    return settings


def _version() -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version("convscope")
    except importlib.metadata.PackageNotFoundError:
        return "of a checkout"


def _parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="convscope", description="See what a convolutional network has learned.")
    result.add_argument("--version", action="version", version=f"convscope {_version()}")
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, act, about: str) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
        made = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=_EPILOGUE[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(act=act)
        return made

    def of_a_model(made: argparse.ArgumentParser) -> None:
        made.add_argument("--classes", help="the model's classes in order: cat,dog, or a file with one a line")
        size = "side of the pictures the model takes, where it does not say; of rectangles HEIGHTxWIDTH (64x128)"
        made.add_argument("--image-size", type=_size, help=size)
        made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other key of the model")

    def of_a_study(made: argparse.ArgumentParser) -> None:
        made.add_argument("--study", help="name of the study; its results go to results/STUDY/")
        of_a_model(made)
        made.add_argument("--force", action="store_true", help="replace a study file that says something else")

    known = "a .keras or .h5 file, a keras-hub preset, or a name of keras.applications"
    why = command("why", _why, "say what a model sees in a picture and where it looked, at once and without a study")
    why.add_argument("pictures", nargs="+", help="pictures, and folders of pictures")
    why.add_argument("--model", default="VGG16", help=f"{known} (default: VGG16)")
    why.add_argument("--method", default="gradcam", help="a class activation map or an attribution (default: gradcam)")
    why.add_argument("--target", default="predicted", help="the class to explain: predicted, all, a name or a number")
    why.add_argument("--layer", help="whose feature maps carry the map (default: the last ones)")
    why.add_argument("--top", type=_count, default=5, help="how many classes are told (default: 5)")
    why.add_argument("--out", type=Path, default=Path("why"), help="folder for pictures and numbers (default: why)")
    of_a_model(why)
    explain = command("explain", _explain, "write a study that explains what a model says of pictures, and run it")
    explain.add_argument("model", help=known)
    explain.add_argument("pictures", nargs="+", help="pictures, and folders of pictures")
    explain.add_argument("--only-write", action="store_true", help="write the study, and do not run it")
    of_a_study(explain)
    init = command("init", _init, "write a study of your own pictures and model, with what is found there filled in")
    init.add_argument("--data", help="folder of class folders, or of splits of them")
    init.add_argument("--model", help="a .keras or .h5 file, a preset, or a name; without one a convnet is trained")
    of_a_study(init)
    run = command("run", _run, "make the figures of a study; what follows -- goes to Snakemake")
    run.add_argument(
        "study", type=Path, nargs="?", help="its file; config.yaml here, or the embedded study, where absent"
    )
    verified = command("verify", _verify, "look whether every result of a study is as it was written")
    verified.add_argument("study", type=Path, help="its file, or a folder of results, wherever it lies")
    verified.add_argument(
        "--repair", action="store_true", help="have what is damaged or missing made again, and that alone"
    )
    for name, act, about in (
        ("check", _check, "look at a study's file and all that it names, and make nothing"),
        ("progress", _progress, "say how many of a study's filter patterns are made, and how long the rest takes"),
    ):
        command(name, act, about).add_argument("study", type=Path, help="its file")
    return result
