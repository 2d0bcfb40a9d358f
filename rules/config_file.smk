"""The config as it is written, looked at before it is read: what is wrong in a file is told with file and line."""

import os
import sys

sys.path.insert(0, workflow.basedir)

from convscope.storage.addresses import without_secrets
from convscope.storage.config_file import located, read_config_file
from convscope.errors import UserError

CONFIG_FILES = []


def stop(error, where="config"):
    """End with one line: a user's mistake needs no traceback."""
    line = str(error)
    if where == "config":
        line = located(line, CONFIG_FILES, workflow.config_settings.config)
    print(without_secrets(f"{where}: {line}"), file=sys.stderr)
    sys.stderr.flush()
    sys.exit(1)


try:
    for file in workflow.overwrite_configfiles or ["config.yaml"]:
        if os.path.exists(file):
            CONFIG_FILES.append(read_config_file(file))
except UserError as error:
    stop(error)
