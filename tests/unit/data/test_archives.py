"""Archives: whatever is in them, nothing leaves the folder and no limit is passed."""

import contextlib
import gzip
import io
import lzma
import os
import re
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from convscope.data import archives
from convscope.errors import UserError


def make_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def make_tar(path, members, mode="w:gz"):
    """Members are (name, bytes) or ready TarInfo headers."""
    with tarfile.open(path, mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def extract(archive, folder, max_bytes=10_000_000_000, max_files=500_000):
    return archives.extract(archive, folder, max_bytes, max_files)


MAKERS = [("a.zip", make_zip), ("a.tar.gz", make_tar)]


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def reasons(result):
    return {row.member: row.reason for row in result.listed}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tars_of_every_compression(tmp_path, mode):
    make_tar(tmp_path / "archive", [("./p/cat/1.jpg", b"one"), ("p/dog/1.jpg", b"two" * 1000)], mode)
    result = extract(tmp_path / "archive", tmp_path / "out")
    assert tree(tmp_path / "out") == {"p/cat/1.jpg": b"one", "p/dog/1.jpg": b"two" * 1000}
    assert (result.files, result.bytes, result.listed) == (2, 3003, [])


def test_zip_replaces_an_older_folder_and_leaves_no_rest(tmp_path):
    make_zip(tmp_path / "a.zip", [("p/", b""), ("p/cat/1.jpg", b"one"), ("p/dog/ä 猫.jpg", b"two")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.txt").write_text("old")
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial/half.jpg").write_text("of a killed run")
    extract(tmp_path / "a.zip", tmp_path / "out")
    assert tree(tmp_path / "out") == {"p/cat/1.jpg": b"one", "p/dog/ä 猫.jpg": b"two"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


@pytest.mark.parametrize(("name", "make"), MAKERS)
def test_nothing_leaves_the_folder(tmp_path, name, make):
    evil = [
        "/etc/evil",
        "../evil",
        "a/../../evil",
        "..\\evil",
        "C:\\evil",
        "C:evil",
        "\\\\host\\evil",
        "a/..",
        "//evil",
    ]
    archive = make(tmp_path / name, [(member, b"x") for member in evil] + [("good.jpg", b"y")])
    result = extract(archive, tmp_path / "deep/out")
    assert tree(tmp_path / "deep/out") == {"good.jpg": b"y"}
    assert len(result.listed) == len(evil)
    assert set(reasons(result).values()) == {"an absolute path", "a path that leads out of the folder"}
    assert not list(tmp_path.rglob("*evil*"))


def test_links_and_devices_in_tars_are_left_out(tmp_path):
    def special(name, kind, target=""):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        return info

    members = [
        special("out_link", tarfile.SYMTYPE, "/etc"),
        ("out_link/passwd", b"through the link"),
        special("in_link", tarfile.SYMTYPE, "good.jpg"),
        special("hard_evil", tarfile.LNKTYPE, "/etc/passwd"),
        special("hard_up", tarfile.LNKTYPE, "../../a.tar.gz"),
        special("pipe", tarfile.FIFOTYPE),
        special("disk", tarfile.BLKTYPE),
        special("tty", tarfile.CHRTYPE),
        ("good.jpg", b"good"),
        special("copy.jpg", tarfile.LNKTYPE, "good.jpg"),
    ]
    result = extract(make_tar(tmp_path / "a.tar.gz", members), tmp_path / "out")
    assert tree(tmp_path / "out") == {"out_link/passwd": b"through the link", "good.jpg": b"good", "copy.jpg": b"good"}
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))
    assert (tmp_path / "out/copy.jpg").stat().st_nlink == 1
    assert set(reasons(result)) == {"out_link", "in_link", "hard_evil", "hard_up", "pipe", "disk", "tty"}


def test_links_in_zips_are_left_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
        archive.writestr("link/passwd", "x")
    result = extract(tmp_path / "a.zip", tmp_path / "out")
    assert tree(tmp_path / "out") == {"link/passwd": b"x"} and reasons(result) == {"link": "a symbolic link"}


def test_modes_are_not_taken_over(tmp_path):
    info = tarfile.TarInfo("run.sh")
    info.mode = 0o6777
    extract(make_tar(tmp_path / "a.tar", [info], "w"), tmp_path / "out")
    assert (tmp_path / "out/run.sh").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize(("name", "make"), MAKERS)
def test_bytes_and_members_are_limited(tmp_path, name, make):
    archive = make(tmp_path / name, [(f"{n}.jpg", os.urandom(1000)) for n in range(10)])
    for limits, message in (({"max_bytes": 9999}, "9999 bytes .max_bytes"), ({"max_files": 9}, "max_files = 9")):
        with pytest.raises(UserError, match=message):
            extract(archive, tmp_path / "out", **limits)
        assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert extract(archive, tmp_path / "out", max_bytes=10_000, max_files=10).files == 10


@pytest.mark.parametrize(("name", "make"), MAKERS)
def test_a_bomb_is_stopped_by_its_ratio(tmp_path, name, make):
    archive = make(tmp_path / name, [("bomb", bytes(64 << 20))])
    assert archive.stat().st_size < 100_000
    with pytest.raises(UserError, match="max_ratio 200"):
        extract(archive, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_a_zip_that_lies_about_its_size(tmp_path):
    archive = make_zip(tmp_path / "a.zip", [("big", bytes(30 << 20)), ("good.jpg", b"y")])
    content = archive.read_bytes().replace(struct.pack("<I", 30 << 20), struct.pack("<I", 10))
    archive.write_bytes(content)
    result = extract(archive, tmp_path / "out", max_bytes=1000)
    assert tree(tmp_path / "out") == {"good.jpg": b"y"} and "damaged" in reasons(result)["big"]


def test_overlapping_members_count_each_time(tmp_path):
    """One compressed block, a thousand entries of the directory that point at it."""
    archive = make_zip(tmp_path / "a.zip", [("0", bytes(1 << 20))])
    content = archive.read_bytes()
    end = content.rindex(b"PK\x05\x06")
    start = struct.unpack("<I", content[end + 16 : end + 20])[0]
    entries = content[start:end] * 1000
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1000, 1000, len(entries), start, 0)
    archive.write_bytes(content[:start] + entries + tail)
    try:
        result = extract(archive, tmp_path / "out")
    except UserError as error:
        assert "max_ratio 200" in str(error)
    else:  # newer versions of zipfile refuse to read a block twice: one file comes out, the others are listed
        assert (result.files, result.bytes, len(result.listed)) == (1, 1 << 20, 999)
        assert all("Overlapped" in member.reason for member in result.listed)


def test_a_forged_tar_header_takes_no_memory(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 32
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(UserError, match="no honest tar"):
        extract(tmp_path / "a.tar", tmp_path / "out")


def header(name: str, kind: bytes, size: int = 0, **fields: bytes) -> bytes:
    """A tar's header, with bytes put into it at places ("at482"), and a right checksum."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    content = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    for place, value in fields.items():
        at = int(place.removeprefix("at"))
        content[at : at + len(value)] = value
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content)
    return bytes(content)


def holes_of_pax() -> bytes:
    said = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n25 GNU.sparse.name=a.jpg\n26 GNU.sparse.realsize=10\n"
    numbers = b"999999999\n" + b"1\n" * (4 << 20)
    start = header("x", tarfile.XHDTYPE, len(said)) + said.ljust(512, b"\0")
    return start + header("a.jpg", tarfile.REGTYPE, 16 << 20) + numbers


def holes_of_gnu() -> bytes:
    more = (b"00000000001\0" * 42 + b"\1").ljust(512, b"\0")
    return header("a.jpg", tarfile.GNUTYPE_SPARSE, at482=b"\1", at483=b"00000000012\0") + more * (16 << 11)


def headers_of_headers() -> bytes:
    return (header("x", tarfile.XHDTYPE, 15) + b"15 comment=abc\n".ljust(512, b"\0")) * 3000


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (holes_of_pax, "no honest tar"),
        (holes_of_gnu, "no honest tar"),
        (headers_of_headers, "damaged .*recursion"),
    ],
)
def test_headers_of_kilobytes_that_mean_gigabytes_are_not_read(tmp_path, monkeypatch, make, why):
    """Of a list of 60 MB the memory was five times as much, and there were places for any number of them."""
    archive, whole = tmp_path / "a.tar.gz", make_tar(tmp_path / "b.tar", [("b.jpg", b"whole")], "w").read_bytes()
    archive.write_bytes(gzip.compress(make()))
    assert archive.stat().st_size < 200_000
    if make is holes_of_pax:
        monkeypatch.setattr(archives, "_MOST_OF_HEADERS", 1 << 18)  # as it is, this takes seconds
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=why):
            extract(archive, tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
    assert re.search(why, archives.what_is_wrong(archive))
    # Behind what is whole, what follows is listed, or refused.
    archive.write_bytes(gzip.compress(whole[:1024] + make()))
    with contextlib.suppress(UserError):
        assert extract(archive, tmp_path / "out").files == 1


def test_a_zip_member_without_a_name_is_listed(tmp_path):
    archive = make_zip(tmp_path / "a.zip", [("x", b""), ("b.jpg", b"whole")], zipfile.ZIP_STORED)
    content = archive.read_bytes()
    at = content.index(b"PK\1\2")
    # Of the list's first entry: no name, and so many more bytes of what else is noted.
    first = bytearray(content[at : at + 47])
    first[28:32] = struct.pack("<HH", 0, 0)
    cut = content[:at] + bytes(first[:46]) + content[at + 47 :]
    end = cut.index(b"PK\5\6")
    size = struct.unpack("<L", cut[end + 12 : end + 16])[0]
    archive.write_bytes(cut[: end + 12] + struct.pack("<L", size - 1) + cut[end + 16 :])
    result = extract(archive, tmp_path / "out")
    assert result.files == 1 and [member.reason for member in result.listed] == ["no name"]


def test_a_long_list_of_members_is_left_to_the_extraction(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "a.zip", [(f"{number}", b"") for number in range(100)], zipfile.ZIP_STORED)
    assert archives.what_is_wrong(archive) == ""
    monkeypatch.setattr(archives, "_LONG_DIRECTORY", 1000)
    monkeypatch.setattr(archives, "_open_zip", lambda archive: pytest.fail("it was read"))
    assert archives.what_is_wrong(archive) == ""


def test_a_member_whose_decompression_asks_for_more_memory_than_there_is(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "a.zip", [("a.jpg", b"a"), ("b.jpg", b"whole")], zipfile.ZIP_LZMA)

    def refuse(format: int, filters: object) -> None:
        if not tried:
            tried.append(True)
            raise MemoryError
        return plain(format, filters=filters)

    tried, plain = [], lzma.LZMADecompressor
    monkeypatch.setattr(zipfile.lzma, "LZMADecompressor", refuse)
    result = extract(archive, tmp_path / "out")
    assert result.files == 1 and "asks for more memory than there is" in result.listed[0].reason


def test_damaged_zip_members_are_listed_and_the_rest_comes_out(tmp_path):
    archive = make_zip(
        tmp_path / "a.zip", [("1.jpg", b"A" * 50), ("2.jpg", b"B" * 50), ("3.jpg", b"C" * 50)], zipfile.ZIP_STORED
    )
    archive.write_bytes(archive.read_bytes().replace(b"B" * 50, b"B" * 49 + b"X"))
    result = extract(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {"1.jpg": b"A" * 50, "3.jpg": b"C" * 50}
    assert result.files == 2 and "CRC" in reasons(result)["2.jpg"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_compressed_data_is_listed(tmp_path, compression):
    noise = os.urandom(5000)
    archive = make_zip(tmp_path / "a.zip", [("1.jpg", noise), ("2.jpg", b"fine")], compression)
    content = bytearray(archive.read_bytes())
    content[300:900] = bytes(600)
    archive.write_bytes(content)
    result = extract(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {"2.jpg": b"fine"} and reasons(result)["1.jpg"].startswith("damaged")


def test_encrypted_members_are_listed(tmp_path):
    archive = make_zip(tmp_path / "a.zip", [("secret.jpg", b"x"), ("open.jpg", b"y")])
    content = bytearray(archive.read_bytes())
    first = content.index(b"PK\x01\x02")
    content[6] |= 1
    content[first + 8] |= 1
    archive.write_bytes(content)
    assert reasons(extract(archive, tmp_path / "out")) == {"secret.jpg": "encrypted"}


def test_a_broken_off_tar_gives_what_came_before(tmp_path):
    archive = make_tar(tmp_path / "a.tar.gz", [(f"{n}.jpg", os.urandom(3000)) for n in range(10)])
    archive.write_bytes(archive.read_bytes()[:15_000])
    result = extract(archive, tmp_path / "out")
    assert 3 <= result.files <= 4 and result.listed[-1].reason.startswith(("the archive is damaged", "damaged"))
    plain = make_tar(tmp_path / "b.tar", [(f"{n}.jpg", b"x" * 100) for n in range(10)], "w")
    content = bytearray(plain.read_bytes())
    content[5 * 1024 + 100 : 5 * 1024 + 200] = b"?" * 100  # the header of the sixth member
    plain.write_bytes(content)
    result = extract(plain, tmp_path / "out")
    assert result.files == 5 and reasons(result) == {"(what follows)": "the archive is damaged after 5 members"}


def test_names_that_differ_in_case_only_are_kept_apart(tmp_path):
    members = [
        ("p/Cat/A.jpg", b"1"),
        ("p/cat/a.jpg", b"2"),
        ("p/CAT/a.JPG", b"3"),
        ("p/Cat/A.jpg", b"4"),
        ("p/cat", b"5"),
    ]
    result = extract(make_tar(tmp_path / "a.tar", members, "w"), tmp_path / "out")
    assert tree(tmp_path / "out") == {
        "p/Cat/A.jpg": b"1",
        "p/Cat/a~2.jpg": b"2",
        "p/Cat/a~3.JPG": b"3",
        "p/Cat/A~4.jpg": b"4",
    }
    assert [row.reason for row in result.listed][:2] == ["kept as p/Cat/a~2.jpg", "kept as p/Cat/a~3.JPG"]
    assert "a file has the name of its folder" in reasons(result)["p/cat"]
    below = extract(make_tar(tmp_path / "b.tar", [("x", b"1"), ("X/y", b"2")], "w"), tmp_path / "out")
    assert tree(tmp_path / "out") == {"x": b"1"} and list(reasons(below)) == ["X/y"]


@pytest.mark.parametrize(("name", "make"), MAKERS)
def test_names_that_other_systems_cannot_store_are_changed(tmp_path, name, make):
    odd = [
        "CON/a.jpg",
        "p/nul.txt",
        'p/a<b>:"|?*.jpg',
        "p/dot.",
        "p/blank ",
        "p/line\nbreak.jpg",
        "p/" + "ä" * 120 + ".jpg",
    ]
    result = extract(make(tmp_path / name, [(n, b"x") for n in odd]), tmp_path / "out")
    assert len(result.listed) == len(odd) and all(row.reason.startswith("kept as") for row in result.listed)
    names = sorted(tree(tmp_path / "out"))
    assert {"_CON/a.jpg", "p/_nul.txt", "p/a_b______.jpg", "p/dot", "p/blank", "p/line_break.jpg"} < set(names)
    long = next(n for n in names if n.startswith("p/ä"))
    assert len(os.fsencode(long)) < 210 and long.endswith(".jpg")


def test_what_is_no_archive_says_so(tmp_path):
    (tmp_path / "text.zip").write_text("<html>please log in</html>")
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "head.zip").write_bytes(make_zip(tmp_path / "a.zip", [("a", b"x" * 999)]).read_bytes()[:60])
    make_zip(tmp_path / "nothing.zip", [("../a", b"x")])
    for name, message in (
        ("text.zip", "not a zip or tar"),
        ("empty.zip", "not a zip or tar"),
        ("head.zip", "damaged zip"),
        ("nothing.zip", r"no file could be extracted \(1 members"),
        ("none.zip", "no such archive"),
    ):
        with pytest.raises(UserError, match=message):
            extract(tmp_path / name, tmp_path / "out")
        assert not (tmp_path / "out").exists() and not (tmp_path / ".out.partial").exists()


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path):
    inner = make_zip(tmp_path / "inner.zip", [("a.jpg", b"x")]).read_bytes()
    make_tar(tmp_path / "a.tar", [("1.jpg", b"1"), ("inner.zip", inner)], "w")
    extract(tmp_path / "a.tar", tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {"1.jpg", "inner.zip"}


@pytest.mark.parametrize(("name", "make"), MAKERS)
def test_a_path_too_long_to_be_stored_takes_no_other_down(tmp_path, name, make):
    long = "/".join(["d" * 190] * 60) + "/x.jpg"
    result = extract(
        make(tmp_path / name, [(long, b"1"), ("n" * 300 + ".jpg", b"2"), ("ok.jpg", b"3")]), tmp_path / "out"
    )
    assert result.files == 2 and (tmp_path / "out/ok.jpg").read_bytes() == b"3"
    assert reasons(result)[long] == "a path that cannot be stored here: File name too long"


def test_a_hundred_thousand_of_one_name_are_placed_in_seconds(tmp_path):
    """Each trying all the numbers before would take five billion steps."""
    folder = archives._Folder(tmp_path / "a", tmp_path, 1, 1, "", None)
    places = [folder._place(["p", "a.jpg"]) for _ in range(100_000)]
    assert (places[0], places[-1]) == ("p/a.jpg", "p/a~100000.jpg") and len(set(places)) == 100_000
    assert folder._place(["p", "A~7.jpg"]) == "p/A~7~2.jpg"


@pytest.mark.parametrize("told", [100, 3])
def test_a_list_of_too_many_members_is_not_read(tmp_path, monkeypatch, told):
    """Neither where it says how many, nor where its length alone does."""
    archive = make_zip(
        tmp_path / "a.zip", [("x" * 300 + f"{number}", b"") for number in range(100)], zipfile.ZIP_STORED
    )
    content = bytearray(archive.read_bytes())
    content[-14:-10] = struct.pack("<HH", told, told)
    archive.write_bytes(content)
    monkeypatch.setattr(archives, "_open_zip", lambda archive: pytest.fail("it was read"))
    with pytest.raises(UserError, match="more than max_files = 10 members"):
        extract(archive, tmp_path / "out", max_files=10)


def test_archives_within_an_archive_stay_what_they_are(tmp_path):
    """A bomb in a bomb is a file like any other, and no picture."""
    bomb = make_zip(tmp_path / "b.zip", [("z", bytes(15_000_000))]).read_bytes()
    result = extract(make_zip(tmp_path / "a.zip", [(f"{n}.zip", bomb) for n in range(9)]), tmp_path / "out")
    assert (result.files, result.bytes) == (9, 9 * len(bomb))


def test_what_extended_headers_say_is_believed_no_more_than_names(tmp_path):
    def member(name, **said):
        info = tarfile.TarInfo(name)
        info.pax_headers, info.size = said, 2
        return info

    for number, (said, inside) in enumerate(
        (
            ({"path": "../../x"}, {"ok.jpg"}),
            ({"path": "/etc/x"}, {"ok.jpg"}),
            ({"linkpath": "/etc/passwd"}, {"a.jpg", "ok.jpg"}),
            ({"size": "-5"}, set()),
            ({"GNU.sparse.map": "0,99999999999", "GNU.sparse.minor": "0"}, {"a.jpg", "ok.jpg"}),
        )
    ):
        path, folder = tmp_path / f"{number}.tar", tmp_path / "deep" / str(number)
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for info in (member("a.jpg", **said), member("ok.jpg")):
                archive.addfile(info, io.BytesIO(b"ok"))
        result = extract(path, folder)
        assert set(tree(folder)) >= inside and result.bytes <= 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(f"{n}.tar" for n in range(5)), "deep"]
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(
            member("a.jpg", **{"GNU.sparse.size": "99999999999999", "GNU.sparse.minor": "0"}), io.BytesIO(b"ok")
        )
    with pytest.raises(UserError, match="unpacks to more than"):
        extract(tmp_path / "s.tar", tmp_path / "out")


def test_hard_links_count_as_the_copies_that_they_become(tmp_path):
    links = []
    for number in range(20):
        info = tarfile.TarInfo(f"{number}.jpg")
        info.type, info.linkname = tarfile.LNKTYPE, "a.jpg"
        links.append(info)
    archive = make_tar(tmp_path / "a.tar", [("a.jpg", os.urandom(100_000)), *links], "w")
    with pytest.raises(UserError, match="max_bytes"):
        extract(archive, tmp_path / "out", max_bytes=1_000_000)


def test_names_that_are_no_text_are_kept_byte_for_byte(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        info = tarfile.TarInfo("caf\xe9.jpg")
        archive.addfile(info)
    extract(tmp_path / "a.tar", tmp_path / "out")
    assert [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()] == [b"caf\xe9.jpg"]
