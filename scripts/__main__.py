"""`python .../scripts NAME ...` runs the script of that name, from any folder.

The folder of the scripts is named by its path, so nothing need be installed and no search path be set; a folder `scripts` or
`convscope` where the command is given is not in the way.
"""

import importlib.util
import runpy
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
# This folder itself must not be searched: its files are called like modules of other people.
sys.path[:] = [str(_HERE.parent), *(path for path in sys.path if path != str(_HERE) and path != sys.argv[0])]
if not (_HERE.parent / "convscope").is_dir():
    # Installed, the library is around the workflow; a folder of that name on the search path is another thing.
    _found = importlib.util.spec_from_file_location("convscope", _HERE.parent.parent / "__init__.py")
    assert _found and _found.loader  # noqa: S101
    sys.modules["convscope"] = importlib.util.module_from_spec(_found)
    _found.loader.exec_module(sys.modules["convscope"])


def main() -> None:
    """Run the script that the first argument names, with the rest."""
    names = sorted(path.stem for path in _HERE.glob("[a-z]*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        print(f"usage: python {_HERE} NAME ...; NAME is one of {', '.join(names)}", file=sys.stderr)
        raise SystemExit(2)
    name = sys.argv.pop(1)
    sys.argv[0] = str(_HERE / f"{name}.py")
    runpy.run_module(f"scripts.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
