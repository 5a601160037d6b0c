"""The machine: devices, memory, threads, malloc, and what else decides how fast it is."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import Unavailable, UsageError
from ..measurement.latency import Machine

THREAD = 72 * 2**20  # bytes that a thread of OpenMP maps for its stack and its share of malloc
CACHE = 64 * 2**20  # bytes that no cache of a processor holds, where the system does not say how large its caches are


def device_of(name: str) -> torch.device:
    """torch's device of this name. Raises UsageError, and Unavailable where it is a GPU that cannot be used."""
    kind = name.partition(":")[0]
    if not re.fullmatch("(cpu|cuda)(:[0-9]{1,3})?", name):
        raise UsageError(f"`{name}` is not a device archcalc measures on: `cpu`, `cuda` or `cuda:1`")
    return torch.device("cpu") if kind == "cpu" else usable(torch.device(name))


def usable(device: torch.device) -> torch.device:
    """`device`, with its number where it is a GPU. Raises Unavailable where there is no such GPU."""
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        built = "" if torch.version.cuda or torch.version.hip else ": this torch is built for the CPU alone"
        raise Unavailable(f"no GPU that torch can use{built}")
    index, count = torch.cuda.current_device() if device.index is None else device.index, torch.cuda.device_count()
    if index >= count:
        raise Unavailable(f"no GPU number {index}: there {'is' if count == 1 else 'are'} {count}, counted from 0")
    return torch.device("cuda", index)


def device_name(where: torch.device) -> str:
    """The maker's name of a device."""
    if where.type == "cuda":
        return torch.cuda.get_device_name(where)
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine(where: torch.device) -> Machine:
    """What is known about the machine that decides how fast `where` is."""
    common = Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        libc=" ".join(filter(None, platform.libc_ver())),
        processors=processors(),
        governor=governor(),
        load=load(),
    )
    return common if where.type == "cpu" else _with_gpu(common, where)


def processors() -> int | None:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def quota(path: str = "/sys/fs/cgroup/cpu.max") -> float | None:
    """The processors' worth of time that the container gets; None where nothing limits it, or nothing says so."""
    words = " ".join(_lines(path)).split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdecimal() and int(words[1]) else None


def governor() -> str:
    """How the kernel chooses the processors' clock: `performance`, `powersave`, …; empty where it does not say."""
    return " ".join(_lines("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))


def load() -> float | None:
    """How many processes ran or wanted to in the last minute."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


def _with_gpu(common: Machine, where: torch.device) -> Machine:
    from dataclasses import replace

    driver, clocks = _driver_and_clocks(where)
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    return replace(
        common,
        driver=driver,
        cuda=torch.version.cuda or torch.version.hip or "",
        tf32=f"matrix products {'on' if matmul else 'off'}, convolutions {'on' if cudnn else 'off'}",
        clocks=clocks,
    )


def _driver_and_clocks(where: torch.device) -> tuple[str, str]:
    """The driver's version and the clocks now, as nvidia-smi says; empty where there is none."""
    found = shutil.which("nvidia-smi")
    if found is None:
        return "", ""
    asked = "driver_version,clocks.sm,clocks.max.sm,clocks.mem"
    uuid = getattr(torch.cuda.get_device_properties(where), "uuid", None)  # torch and nvidia-smi may count otherwise
    which = f"GPU-{uuid}" if uuid else str(where.index or 0)
    command = [found, f"--id={which}", f"--query-gpu={asked}", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "", ""
    parts = [part.strip() for part in said.strip().split("\n")[0].split(",")]
    if len(parts) != 4:
        return "", ""
    driver, now, most, memory = parts
    return driver, f"{now} of {most}, memory {memory}"


def available_memory(where: torch.device) -> int | None:
    """Bytes that can be allocated on a device without swapping; None where this system does not say.

    On the CPU what the system has, or less where a container or `ulimit -v` allows this process less."""
    if where.type == "cuda":
        return torch.cuda.mem_get_info(where)[0]
    known = [free for free in (_free_of_system(), _free_of_container(), _free_of_limit()) if free is not None]
    return max(0, min(known)) if known else None


def _free_of_system() -> int | None:
    try:
        sizes = dict(line.split(":", 1) for line in _lines("/proc/meminfo"))
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (KeyError, ValueError):
        return None


def _free_of_container(folder: str = "/sys/fs/cgroup") -> int | None:
    """What the container has left; what it keeps of files goes when memory is wanted."""
    try:
        most, used = (int(_lines(f"{folder}/memory.{name}")[0]) for name in ("max", "current"))
        stat = dict(line.split() for line in _lines(f"{folder}/memory.stat"))
        return most - used + int(stat.get("inactive_file", 0))
    except (IndexError, ValueError):  # no such file, or `max`
        return None


def _free_of_limit() -> int | None:
    """What this process may still map."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(_lines("/proc/self/statm")[0].split()[0])
        threads = torch.get_num_threads() * THREAD
        return None if most == resource.RLIM_INFINITY else most - pages * resource.getpagesize() - threads
    except (ImportError, OSError, IndexError, ValueError):
        return None


def cache_size(where: torch.device) -> int:
    """Bytes that, once written, have driven everything else out of the device's caches."""
    if where.type == "cuda":
        return 2 * int(getattr(torch.cuda.get_device_properties(where), "L2_cache_size", CACHE))
    folder = Path("/sys/devices/system/cpu/cpu0/cache")
    sizes = [_kibibytes(" ".join(_lines(path))) for path in folder.glob("index*/size")]
    return max(CACHE, 2 * max(sizes, default=0))


def _kibibytes(text: str) -> int:
    return int(text[:-1]) * 1024 if text.endswith("K") and text[:-1].isdecimal() else 0


def _lines(path: str | Path) -> list[str]:
    """The lines of a file of the system; none where it is not there."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """That many threads of torch; as they are where that is None."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)


# --- malloc -------------------------------------------------------------------------------------------------------

# Of glibc's malloc.h, and what they are unless set.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -2, -3, -4
_MMAP_MAX_DEFAULT = 65536
_MMAP_THRESHOLD_MOST = 32 * 2**20  # what it grows to by itself once large blocks are freed


@contextmanager
def pinned_malloc() -> Iterator[bool]:
    """Keep glibc from returning memory to the kernel, so that no layer pays for pages that another gave back.

    Gives whether that worked: False on other C libraries. Afterwards glibc behaves as it does once large blocks
    were freed (its thresholds do not move by themselves any more, so they are set), and free memory is returned.
    """
    libc = glibc()
    if libc is None:
        yield False
        return
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 64 * 2**20))
    try:
        yield sum(libc.mallopt(option, value) for option, value in settings) == len(settings)
    finally:
        libc.mallopt(_M_MMAP_MAX, _MMAP_MAX_DEFAULT)
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_MOST)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * _MMAP_THRESHOLD_MOST)
        libc.mallopt(_M_TOP_PAD, 0)
        libc.malloc_trim(0)


def glibc() -> Any:
    """The C library of this process where it is glibc, else None."""
    if os.name != "posix":
        return None
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version, libc.mallopt, libc.malloc_trim  # noqa: B018 - looking them up is the question
    except (OSError, AttributeError):
        return None
    return libc
