"""A private Slurm cluster of one node on loopback, for tests: munged, slurmctld and slurmd in a directory of their own.

Needs the programs of Debian's slurm-wlm and munge, no configuration of the machine and no other Slurm to be absent. What
it simulates: nothing. It is no model of accounting, of several nodes or of a shared file system.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# A job that is queued again waits until its old credential has expired: two minutes unless said otherwise.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MaxArraySize={max_array_size}
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=100000
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=20
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000
PartitionName=low Nodes={host} Default=YES PriorityTier=1 PreemptMode=REQUEUE State=UP
PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF State=UP
"""


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def system_program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"no {name}: scripts/bootstrap.sh test installs slurm-wlm and munge"
    return found


class Cluster:
    """Use as a context; `environment` is what Slurm's commands need to talk to it."""

    def __init__(self, max_array_size: int):
        self.daemons = []
        # Not pytest's folder: munged wants every directory above its socket to be open to all.
        self.folder = folder = Path(tempfile.mkdtemp(prefix="eaudeqn_slurm_"))
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        host = socket.gethostname().split(".")[0]
        user = pwd.getpwuid(os.getuid()).pw_name
        (folder / "slurm.conf").write_text(CONFIGURATION.format(
            folder=folder, host=host, user=user, ports=free_ports(2), max_array_size=max_array_size))  # fmt: skip
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self, *command):
        with (self.folder / f"{Path(command[0]).name}.out").open("wb") as log:
            self.daemons.append(subprocess.Popen([system_program(command[0]), *command[1:]], stdout=log, stderr=log,
                                                 stdin=subprocess.DEVNULL, env=self.environment))  # fmt: skip

    def __enter__(self):
        files = [f"--{name}={self.folder}/{file}" for name, file in
                 [("socket", "munge.socket"), ("key-file", "munge.key"), ("pid-file", "munged.pid"),
                  ("seed-file", "munged.seed"), ("log-file", "munged.log")]]  # fmt: skip
        try:
            self.start("munged", "--foreground", "--num-threads=1", *files)
            self.wait_for(lambda: (self.folder / "munge.socket").exists(), 10)
            self.start("slurmctld", "-D")
            self.start("slurmd", "-D")
            self.wait_for(lambda: "idle" in self.command("sinfo", "--noheader", "--format=%T", code=None), 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *words, code=0) -> str:
        done = subprocess.run(words, capture_output=True, text=True, env=self.environment, timeout=20)
        assert code is None or done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait_for(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds} s in vain; {self.logs()}"
            time.sleep(0.1)

    def logs(self):
        texts = [f"== {file.name}\n{file.read_text(errors='replace')[-1500:]}"
                 for pattern in ("*.out", "slurm*.log") for file in sorted(self.folder.glob(pattern))]  # fmt: skip
        return "\n".join(texts)

    def tasks(self) -> dict:
        """The state of every task that the cluster still holds, by job_task."""
        return dict(line.split() for line in
                    self.command("squeue", "--noheader", "--array", "--format=%F_%K %T").splitlines())  # fmt: skip
