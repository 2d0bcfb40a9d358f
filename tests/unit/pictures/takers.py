"""What damaged bytes may do to the process that reads them; the name of the file says which."""

import os
import signal
import time
from pathlib import Path

from convscope.errors import BadImage, UserError


def read(path: str, words: list[str]) -> list[str]:
    """Do what the file is called after; else say what was given, and which process did it."""
    name = Path(path).name
    if name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "hang":
        while True:
            pass
    if name == "fill":
        return [str(len(bytearray(9 << 30)))]
    if name == "unlucky" and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGABRT)
    if name == "slow":
        time.sleep(1.5)
    if name == "bad":
        raise BadImage("no picture")
    if name == "mistake":
        raise UserError("not the one that was listed")
    if name == "bug":
        raise KeyError("what")
    return [name, *words, str(os.getpid())]
