"""The config as it is written, looked at before it is read: what is wrong in a file is told with file and line."""

import os
import sys
from pathlib import Path

# The workflow's own folder, wherever the run was started, and whoever uses it as a module.
HERE = Path(os.fspath(workflow.current_basedir)).resolve().parent
sys.path.insert(0, str(HERE))

import convscope
from convscope.storage.addresses import without_secrets
from convscope.storage.config_file import located, read_config_file
from convscope.errors import UserError

CONFIG_FILES = []
# A module is given its config by the workflow that uses it.
IS_MODULE = not workflow.modifier.is_main_snakefile()


def stop(error, where="config"):
    """End with one line: a user's mistake needs no traceback."""
    line = str(error)
    if where == "config":
        line = located(line, CONFIG_FILES, workflow.config_settings.config)
    print(without_secrets(f"{where}: {line}"), file=sys.stderr)
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
OWN = HERE / "convscope"
if OWN.is_dir() and Path(convscope.__file__).resolve().parent != OWN:
    stop(
        f"two versions of Convscope in one workflow, {OWN} and {Path(convscope.__file__).parent}; use one of them",
        "workflow",
    )


try:
    for file in workflow.overwrite_configfiles or [default_config()]:
        if os.path.exists(file) and not IS_MODULE:
            CONFIG_FILES.append(read_config_file(file))
except UserError as error:
    stop(error)
