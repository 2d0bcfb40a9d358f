"""Names of files that hold the names of classes."""

from convscope.pictures.captions import name_parts


def test_parts_of_file_names() -> None:
    names = ["cat", "red disc", "either/or", "a b", "a-b", "Size", "size", "\u732b" * 100, "\u732b" * 101]
    parts = name_parts(names)
    assert [parts[name] for name in names[:3]] == ["cat", "red-disc", "either-or"]
    assert len({part.casefold() for part in parts.values()}) == len(names)
    assert all(len(part.encode()) <= 89 and "/" not in part for part in parts.values())
    assert parts["a b"].startswith("a-b-") and parts["\u732b" * 100].startswith("\u732b" * 26 + "-")


def test_no_name_of_a_class_is_more_than_a_part_of_a_name() -> None:
    names = [
        "$(touch x)",
        "`id`",
        '"><img src=x>',
        "a\nb\tc",
        "..",
        "caf\udce9",
        "\u202egnp.exe",
        "C:\\x|y?*",
        "'; ls; '",
        "{x}%s",
    ]
    parts = name_parts(names)
    assert parts["$(touch x)"] == "-(touch-x)" and parts["a\nb\tc"] == "a-b-c" and parts["caf\udce9"] == "caf-"
    assert all(set(part).isdisjoint("/\\$`\"'<>|?*:;{}%\n\t\u202e\udce9 ") for part in parts.values())
    assert len(set(parts.values())) == len(names)
