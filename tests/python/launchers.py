"""Runs a program as several processes: started directly, with the variables of a launcher, or by torchrun
from LibTorch's wheel.
"""

import functools
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import harness

TESTS = Path(__file__).resolve().parent
# Variables that launchers set; the processes must not inherit those of the tests' own launcher.
PREFIXES = ("OMPI_", "PMI_", "PMIX_", "SLURM_", "TORCHELASTIC_", "MASTER_", "MPI_LOCAL")
NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")


def environment(**more: str) -> dict[str, str]:
    """The harness's without the variables of any launcher."""
    kept = {k: v for k, v in harness.environment().items()
            if k not in NAMES and not k.startswith(PREFIXES)}  # fmt: skip
    return kept | more


@functools.cache
def _claims() -> list[socket.socket]:
    """Ports of this process: names of sockets, which the kernel releases when it ends."""
    return []


def free_port() -> int:
    """A port that no other test is given while this process runs. It is below those that the kernel gives to
    connections, of which it might be one before the program listens."""
    below = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(10000, below), below - 10000):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0lorentznet-port-{port}")
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims().append(claim)
        return port
    raise RuntimeError("there is no free port")


def variables_of_ranks(count: int) -> list[dict[str, str]]:
    port = str(free_port())
    return [{"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank),
             "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            for rank in range(count)]  # fmt: skip


def start_ranks(variables: list[dict[str, str]], task: str, *words) -> list[subprocess.Popen]:
    """Starts one process per dictionary of variables."""
    return [harness.start(harness.command(task, *words), environment(**own)) for own in variables]


def wait_for_line(process: subprocess.Popen, start: str):
    """Reads stdout up to a line that starts like this; the process must print one."""
    while not process.stdout.readline().startswith(start):
        if process.poll() is not None:
            raise AssertionError(f"ended before a line '{start}': {process.stderr.read()}")


def wait_until_idle(process: subprocess.Popen):
    """Waits until all threads of a process have been asleep for a while."""
    asleep = 0
    while asleep < 5:
        states = [stat.read_text().rsplit(")", 1)[1].split()[0] for stat in Path(f"/proc/{process.pid}/task").glob("*/stat")]
        asleep = asleep + 1 if set(states) == {"S"} else 0
        time.sleep(0.01)


def end(process: subprocess.Popen):
    """Ends a process that still runs, and closes what it was read by."""
    if process.poll() is None:
        process.kill()
        process.communicate()


def wait_for(processes, timeout=harness.HANG) -> list[subprocess.CompletedProcess]:
    """Waits for all processes; on a timeout kills the rest and fails."""
    results = []
    try:
        for process in processes:
            out, err = process.communicate(timeout=timeout)
            results.append(
                subprocess.CompletedProcess(process.args, process.returncode, out, err)
            )
    finally:
        for process in processes:
            end(process)
    return results


def run_ranks(count: int, task: str, *words) -> list[subprocess.CompletedProcess]:
    """Runs all ranks to their ends."""
    return wait_for(start_ranks(variables_of_ranks(count), task, *words))


def torchrun(count: int, *words, restarts: int = 0) -> list[str]:
    """The command line of torchrun."""
    return [
        sys.executable, str(TESTS / "run_torchrun.py"), str(harness.OPTIONS.libtorch), str(harness.OPTIONS.stubs),
        "--no-python", f"--nproc-per-node={count}", f"--max-restarts={restarts}",
        "--monitor-interval=0.1", f"--master-port={free_port()}", *map(str, words),
    ]  # fmt: skip


def run_command(command, timeout=harness.HANG) -> subprocess.CompletedProcess:
    return subprocess.run(command, env=environment(), timeout=timeout, capture_output=True, text=True)
