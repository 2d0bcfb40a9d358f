"""What identifies a result: everything that it depends on, as one short digest."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def identity(**facts: Any) -> str:
    """Digest of named facts, so that results of other facts are never taken for these.

    Args:
        facts: JSON values, or tuples of them: digests of contents, settings, versions. Neither their order nor that of the keys of a
            mapping counts; a number and its text do.

    Returns:
        16 hexadecimal digits.

    Raises:
        TypeError: a fact is no JSON value (its text might hold an address in memory, another one in each process).
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(facts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def pictures_identity(rows: Iterable[dict[str, str]]) -> str:
    """Identity of the pictures of a table, in their order: what each is called and what its file holds.

    Args:
        rows: with the columns `id` and `sha256`.
    """
    return identity(pictures=[[row["id"], row["sha256"]] for row in rows])
