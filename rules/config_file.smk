"""The config as it is written, looked at before it is read: what is wrong in a file is told with file and line."""

import importlib.util
import os
import sys
from pathlib import Path

# The workflow's own folder, wherever the run was started, and whoever uses it as a module.
HERE = Path(os.fspath(workflow.current_basedir)).resolve().parent
sys.path.insert(0, str(HERE))
# Its library: in a checkout beside the rules; installed, around them. What the folder of the run holds of that name is another thing.
OWN = (HERE / "convscope").resolve() if (HERE / "convscope").is_dir() else HERE.parent
if "convscope" not in sys.modules:
    found = importlib.util.spec_from_file_location("convscope", OWN / "__init__.py")
    sys.modules["convscope"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules["convscope"])

import convscope
from convscope.storage.addresses import without_secrets
from convscope.storage.config_file import located, read_config_file
from convscope.errors import UserError, in_one_line

CONFIG_FILES = []
# A module is given its config by the workflow that uses it.
IS_MODULE = not workflow.modifier.is_main_snakefile()


def stop(error, where="config"):
    """End with one line: a user's mistake needs no traceback."""
    line = str(error)
    if where == "config":
        line = located(line, CONFIG_FILES, workflow.config_settings.config)
    print(in_one_line(without_secrets(f"{where}: {line}")), file=sys.stderr)
    sys.stderr.flush()
    sys.exit(1)


def default_config():
    """The config of a run that names none: that of the folder it was started in, or the embedded study's."""
    return next(
        str(place)
        for place in (Path("config.yaml"), HERE / "config.yaml")
        if place.exists()
    )


# Another one is in use where two checkouts are modules of one workflow: the second's rules would run the first's code.
if Path(convscope.__file__).resolve().parent != OWN:
    stop(
        f"two versions of Convscope in one workflow, {OWN} and {Path(convscope.__file__).parent}; use one of them",
        "workflow",
    )
# Included, its config and its targets would be those of the other workflow, and nothing would be made.
if not IS_MODULE and Path(workflow.main_snakefile).resolve().parent != HERE:
    stop("Convscope is included; use it as a module, see docs/elsewhere.md", "workflow")


try:
    for file in workflow.overwrite_configfiles or [default_config()]:
        if os.path.exists(file) and not IS_MODULE:
            CONFIG_FILES.append(read_config_file(file))
except UserError as error:
    stop(error)
