"""Names that stand for other things: a web address as a file name, "dataset/split" as its two parts."""

import hashlib
import re


def download_name(url: str) -> str:
    """File name for what an address leads to: the same address always the same, different ones never alike."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", url.partition("?")[0].rstrip("/").rpartition("/")[2])[-60:]
    return f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"


def dataset_and_split(name: str) -> tuple[str, str]:
    """The parts of "dataset/split", as evaluations name them."""
    dataset, _, split = name.partition("/")
    return dataset, split
