"""Names of files that hold the names of classes."""

from convscope.pictures.captions import name_parts


def test_parts_of_file_names() -> None:
    names = ["cat", "red disc", "either/or", "a b", "a-b", "Size", "size", "\u732b" * 100, "\u732b" * 101]
    parts = name_parts(names)
    assert [parts[name] for name in names[:3]] == ["cat", "red-disc", "either-or"]
    assert len({part.casefold() for part in parts.values()}) == len(names)
    assert all(len(part.encode()) <= 89 and "/" not in part for part in parts.values())
    assert parts["a b"].startswith("a-b-") and parts["\u732b" * 100].startswith("\u732b" * 26 + "-")
