"""What of a machine decides the last bits."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from convscope.backends import running
from convscope.jobs import machine
from convscope.jobs.machine import builds, environment, graphics, loaded, machine_facts, processor


def test_it_is_the_same_each_time_it_is_asked() -> None:
    facts = machine_facts("tensorflow")
    assert facts == machine_facts("tensorflow")
    assert facts["graphics"] == [] or all(isinstance(name, str) for name in facts["graphics"])


def test_variables_that_libraries_compute_by_count_and_no_others() -> None:
    told = {
        "ATEN_CPU_CAPABILITY": "avx2",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "XLA_FLAGS": "--x",
        "NVIDIA_TF32_OVERRIDE": "1",
        "OMP_NUM_THREADS": "2",
    }
    other = {
        "HOME": "/a",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_HOME": "/b",
        "CUDA_VISIBLE_DEVICES": "1",
        "TF_VAR_x": "secret",
    }
    assert environment({**told, **other}).keys() == told.keys()
    for name in told:
        assert environment(told) != environment({**told, name: "another"})
    assert "--x" not in str(environment(told))


def test_another_build_of_one_version_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """One's own, conda's, a processor maker's: other instructions, other bits."""
    libraries = ["numpy", "PIL", "keras", "never_installed"]
    before = builds(libraries)
    assert before == builds(reversed(libraries)) and before["numpy"] and before["PIL"]
    assert before["keras"] == before["never_installed"] == ""
    record = importlib.metadata.distribution("numpy").read_text("RECORD") or ""
    line = next(line for line in record.splitlines() if ".so," in line)

    def of(text: str) -> dict[str, str]:
        monkeypatch.setattr(
            importlib.metadata, "distribution", lambda name: SimpleNamespace(read_text=lambda file: text)
        )
        return builds(["numpy"])

    # Where its commands lie, and with them which Python they begin by, is no matter.
    assert of(record.replace("bin/f2py,sha256=", "bin/f2py,sha256=x")) == of(record) == {"numpy": before["numpy"]}
    assert of(record.replace(line, line.replace("sha256=", "sha256=x"))) != of(record)


def test_graphics_processors_are_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    def told(name: str) -> list[str]:
        monkeypatch.setattr(running, "has_gpu", lambda: True)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: {"device_name": name})
        return graphics("tensorflow")

    assert "H100" in told("H100")[0] and told("H100") != told("H200")


def distribution(folder: Path, name: str, version: str) -> Path:
    """An installed one that lists none of its files."""
    told = folder / f"{name}-{version}.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


@pytest.mark.parametrize("name", ["jax_cuda12_pjrt", "nvidia_cudnn_cu12", "triton"])
def test_what_computes_there_for_a_backend_counts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX's own version says nothing of its plugin, which is what makes the code for the processor."""
    monkeypatch.setattr(running, "has_gpu", lambda: True)
    found = []
    for version in ("0.1", "0.2"):
        with monkeypatch.context() as installed:
            installed.syspath_prepend(distribution(tmp_path / version, name, version))
            found.append(graphics("tensorflow"))
    assert found[0] != found[1] and f"{name} 0.2" in found[1]


def test_libraries_of_a_system_count_by_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = tmp_path / "maps"
    monkeypatch.setattr(machine, "_MAPS", maps)

    def told(name: str, content: str) -> list[str]:
        (tmp_path / "my lib").mkdir(exist_ok=True)
        (tmp_path / "my lib" / name).write_text(content)
        lines = ["/usr/lib/libc.so.6", "/usr/lib/libcurl.so.4.8.0", str(tmp_path / "my lib" / name), "[heap]", ""]
        maps.write_text("".join(f"7f00-7f01 r-xp 00000000 fe:00 123 {line}\n" for line in lines * 2))
        return loaded()

    assert told("libcudnn.so.9.1.0", "four") == ["libcudnn.so.9.1.0 4"]
    assert told("libcudnn.so.9.1.0", "four") != told("libcudnn.so.9.2.0", "four")
    # Conda's NumPy is the same whichever of them it multiplies by, and one of them is called alike in each version.
    assert told("libopenblasp-r0.3.28.so", "four") != told("libmkl_core.so.2", "four")
    assert told("libmkl_core.so.2", "four") != told("libmkl_core.so.2", "longer")
    assert loaded() == machine_facts("tensorflow")["loaded"]
    (tmp_path / "my lib" / "libmkl_core.so.2").unlink()
    assert loaded() == ["libmkl_core.so.2 -1"]
    maps.unlink()
    assert loaded() == []


def test_another_build_counts_where_no_list_of_its_files_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a distribution's packages are, and what one builds oneself and uses where it lies."""
    monkeypatch.syspath_prepend(distribution(tmp_path, "of_a_distribution", "1.0"))
    package = tmp_path / "of_a_distribution"
    (package / "core").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    assert builds(["of_a_distribution"]) == {"of_a_distribution": ""}
    found = []
    for content in ("avx2", "avx512"):
        (package / "core" / "it.so").write_text(content)
        found.append(builds(["of_a_distribution"]))
    assert found[0] != found[1] and all(found[0].values())


INFO = """processor : 0
model name : A
cache size : 1024 KB
cpu MHz : 2000
flags : avx fma

processor : 1
model name : B
"""


def test_a_processor_is_what_it_can_do_and_not_how_fast_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "_CPUINFO", place)

    def told(old: str = "", new: str = "") -> dict[str, str]:
        place.write_text(INFO.replace(old, new) if old else INFO)
        return processor()

    assert told() == told("2000", "3000") == told("avx fma", "fma avx")
    for old, new in (("avx fma", "avx fma avx512f"), ("name : A", "name : C"), ("1024", "2048")):
        assert told() != told(old, new)
    place.unlink()
    assert processor()["count"]


def test_a_mac_tells_its_processor_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of one family are `arm`, or `i386`, and not all multiply by the same instructions."""
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "none")
    monkeypatch.setattr(sys, "platform", "darwin")

    def told(name: str) -> dict[str, str]:
        monkeypatch.setattr(subprocess, "run", lambda *asked, **options: SimpleNamespace(stdout=f"{name}\n"))
        return processor()

    assert told("Apple M1")["model name"] == "Apple M1" and told("Apple M1") != told("Apple M3")
