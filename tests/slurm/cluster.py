"""A Slurm of its own on this machine: one controller, two emulated nodes of four processors, no accounting.

It lies in one folder, with two links to it in /etc/slurm, where jobs look for their cluster.

Needs Debian's slurmctld, slurmd, slurm-client and munge. Everything runs as whoever starts it.
"""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
PLACE = Path("/etc/slurm")
NODES = ("c1", "c2")
PROCESSORS, MEGABYTES = 4, 8000

# Memory is watched in /proc every two seconds and what has more than it asked for is killed: no cgroups are needed.
_CONF = """\
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
KillWait=5
OverTimeLimit=0
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=3600
MpiDefault=none
StateSaveLocation={folder}/slurmctld
SlurmdSpoolDir={folder}/%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
GresTypes=gpu
NodeName=c[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[{ports[1]}-{ports[2]}] CPUs={cpus} RealMemory={memory} Gres=gpu:1
PartitionName=all Nodes=c[1-2] Default=YES MaxTime=INFINITE DefMemPerCPU=500 State=UP
"""


class Cluster:
    """Started on entering, stopped on leaving; `environment` is what a process needs to use it.

    Args:
        folder: of all that it writes; its path must be short, for a socket lies in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = dict(os.environ)
        self._processes: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def missing() -> list[str]:
        """What it needs and this machine lacks."""
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        lacks = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
        if not os.access(PLACE, os.W_OK) or (PLACE / "slurm.conf").exists():
            lacks.append(f"{PLACE} without a slurm.conf, which this user may write")
        return lacks

    def __enter__(self) -> "Cluster":
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        for name in ("slurmctld", *NODES):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)  # munged refuses a folder that others may write to
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(64))
        key.chmod(0o600)
        ports = _free_ports()
        conf = _CONF.format(folder=self.folder, user=getpass.getuser(), ports=ports, cpus=PROCESSORS, memory=MEGABYTES)
        (self.folder / "slurm.conf").write_text(conf)
        (self.folder / "gres.conf").write_text("NodeName=c[1-2] Name=gpu File=/dev/null\n")
        # Snakemake takes Slurm's variables from its jobs, SLURM_CONF among them: the file is looked for where it lies everywhere.
        for name in ("slurm.conf", "gres.conf"):
            (PLACE / name).symlink_to(self.folder / name)
        self._start(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munge.pid", f"--log-file={self.folder}/munge.log", f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._start("slurmctld", "-D", "-i")
        for node in NODES:
            self._start("slurmd", "-D", "-N", node)
        self._wait(lambda: self.says("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == str(len(NODES)), "slurmd")

    def __exit__(self, *error: object) -> None:
        subprocess.run(["scancel", "--user", getpass.getuser()], env=self.environment, check=False)
        time.sleep(1)
        for process in reversed(self._processes):
            process.terminate()
        for name in ("slurm.conf", "gres.conf"):
            (PLACE / name).unlink(missing_ok=True)
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def says(self, *command: str) -> str:
        """The output of one of Slurm's commands, "" where it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout

    def _start(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        with (self.folder / f"{name}.out").open("ab") as out:
            self._processes.append(
                subprocess.Popen([str(program), *arguments], env=self.environment, stdout=out, stderr=out)
            )

    def _wait(self, ready: object, what: str, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not ready():  # type: ignore[operator]
            if time.monotonic() > until:
                said = "\n".join(path.read_text(errors="replace")[-500:] for path in self.folder.glob("*.out"))
                raise RuntimeError(f"{what} does not start: {said}")
            time.sleep(0.2)


def _free_ports() -> list[int]:
    """A port for the controller, and two neighbours for the nodes."""
    for first in range(21000, 29000, 7):
        ports = [first, first + 1, first + 2]
        try:
            for port in ports:
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
        except OSError:
            continue
        return ports
    raise RuntimeError("no three free ports in a row")
