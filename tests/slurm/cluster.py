"""A Slurm of its own on this machine: one controller, two emulated nodes of four processors, with accounting or without.

It lies in one folder, with links to it in /etc/slurm, where jobs look for their cluster.

Needs Debian's slurmctld, slurmd, slurm-client and munge; for accounting, slurmdbd and mariadb-server. Everything runs as whoever
starts it.
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
DATABASE = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacctmgr")
PLACE = Path("/etc/slurm")
# Of a cluster with accounting: who submits without a word of it has the first, and may have the second.
ACCOUNTS = ("everybody", "mine")
NODES = ("c1", "c2")
PROCESSORS, MEGABYTES = 4, 8000
LINKED = ("slurm.conf", "gres.conf", "slurmdbd.conf")

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
{accounting}
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
# A job of somebody without an account is refused there.
_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={ports[3]}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations"""
_DATABASE = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdPort={ports[3]}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[4]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""
_GRANT = "CREATE DATABASE slurm; CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm'; GRANT ALL ON slurm.* TO slurm@'127.0.0.1';"


class Cluster:
    """Started on entering, stopped on leaving; `environment` is what a process needs to use it.

    Args:
        folder: of all that it writes; its path must be short, for a socket lies in it.
        accounting: whether it has a database of accounts, and refuses jobs that are on none.
    """

    def __init__(self, folder: Path, accounting: bool = False) -> None:
        self.folder = folder
        self.accounting = accounting
        self.environment = dict(os.environ)
        self._processes: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def missing(accounting: bool = False) -> list[str]:
        """What it needs and this machine lacks."""
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        wanted = PROGRAMS + (DATABASE if accounting else ())
        lacks = [name for name in wanted if shutil.which(name, path=path) is None]
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
        names = {"folder": self.folder, "user": getpass.getuser(), "ports": ports}
        accounting = _ACCOUNTING.format(**names) if self.accounting else "AccountingStorageType=accounting_storage/none"
        conf = _CONF.format(**names, accounting=accounting, cpus=PROCESSORS, memory=MEGABYTES)
        (self.folder / "slurm.conf").write_text(conf)
        (self.folder / "gres.conf").write_text("NodeName=c[1-2] Name=gpu File=/dev/null\n")
        (self.folder / "slurmdbd.conf").touch(mode=0o600)
        (self.folder / "slurmdbd.conf").write_text(_DATABASE.format(**names))
        # Snakemake takes Slurm's variables from its jobs, SLURM_CONF among them: the file is looked for where it lies everywhere.
        for name in LINKED:
            if (PLACE / name).is_symlink() and not (PLACE / name).exists():
                (PLACE / name).unlink()  # of one that was killed
            (PLACE / name).symlink_to(self.folder / name)
        self._start(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munge.pid", f"--log-file={self.folder}/munge.log", f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        if self.accounting:
            self._begin_accounting(ports[4])
        self._start("slurmctld", "-D", "-i")
        for node in NODES:
            self._start("slurmd", "-D", "-N", node)
        self._wait(lambda: self.says("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == str(len(NODES)), "slurmd")

    def _begin_accounting(self, port: int) -> None:
        """Start the database and what asks it, and open accounts for whoever this is."""
        data, socket_file = self.folder / "database", self.folder / "database.socket"
        own = ["--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}"]
        create = ["mariadb-install-db", *own, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(create, check=True, capture_output=True)
        self._start("mariadbd", *own, f"--socket={socket_file}", "--bind-address=127.0.0.1", f"--port={port}")
        ask = ["mariadb", "--no-defaults", "-u", "root", f"--socket={socket_file}", "-e"]
        self._wait(
            lambda: subprocess.run([*ask, "SELECT 1"], capture_output=True, check=False).returncode == 0, "mariadbd"
        )
        subprocess.run([*ask, _GRANT], check=True, capture_output=True)
        self._start("slurmdbd", "-D")
        self._wait(lambda: "test" in self.says("sacctmgr", "-n", "-i", "add", "cluster", "test"), "slurmdbd")
        for name in ACCOUNTS:
            self.says("sacctmgr", "-i", "add", "account", name)
        user = ["add", "user", getpass.getuser(), f"account={','.join(ACCOUNTS)}", f"defaultaccount={ACCOUNTS[0]}"]
        self.says("sacctmgr", "-i", *user)

    def __exit__(self, *error: object) -> None:
        subprocess.run(["scancel", "--user", getpass.getuser()], env=self.environment, check=False)
        time.sleep(1)
        for process in reversed(self._processes):
            process.terminate()
        for name in LINKED:
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

    def jobs(self, field: str) -> list[tuple[str, str]]:
        """Rule or group, and a field of squeue's, of all jobs that there were, first to last."""
        lines = self.says("squeue", "-t", "all", "-h", "-S", "i", "-o", f"%k|{field}").splitlines()
        return [(name, rest) for name, _, rest in (line.partition("|") for line in lines)]

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
    """Ports of the controller, the two nodes (neighbours), slurmdbd and the database."""
    for first in range(21000, 29000, 7):
        ports = [first + number for number in range(5)]
        try:
            for port in ports:
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
        except OSError:
            continue
        return ports
    raise RuntimeError("no five free ports in a row")
