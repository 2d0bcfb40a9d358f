"""A user whose home cannot be written to, or who has no name."""

import getpass
import os
import pwd
from pathlib import Path

import pytest

from convscope.storage.cache_folder import ensure_cache, ensure_name


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "to be taken back")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_a_home_stays_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ensure_cache("own")
    assert "XDG_CACHE_HOME" not in os.environ and (tmp_path / "home" / ".cache").is_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "named"))
    ensure_cache("own")
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "named")


@pytest.mark.parametrize("home", ["/proc/nobody", "/dev/null"])
def test_without_a_home_the_folder_is_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str) -> None:
    monkeypatch.setenv("HOME", home)
    ensure_cache(".snakemake/cache")
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / ".snakemake" / "cache")
    assert os.environ["MPLCONFIGDIR"].startswith(str(tmp_path))


def test_a_user_without_a_name_has_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "to be taken back")
        monkeypatch.delenv(name)
    known = getpass.getuser()
    ensure_name()
    assert "LOGNAME" not in os.environ and getpass.getuser() == known

    def nobody(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    ensure_name()
    assert getpass.getuser() == str(os.getuid())
