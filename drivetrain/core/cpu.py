"""What this processor can do, which decides the tile tables of CPU kernels."""

import os
import platform
from functools import cache
from typing import Literal

Family = Literal["avx512", "avx2", "neon", "plain"]


@cache
def features() -> frozenset[str]:
    """Return LLVM's names of the host's instruction sets that are usable."""
    from llvmlite import binding

    try:
        found = binding.get_host_cpu_features()
    except RuntimeError:
        # LLVM does not know this host: claim nothing, and plain code runs.
        return frozenset()
    return frozenset(name for name, present in found.items() if present)


def family() -> Family:
    """Return the kind of vector unit: AVX-512, AVX2, NEON or none of them."""
    have = features()
    if {"avx512f", "avx512bw", "avx512vl"} <= have:
        return "avx512"
    if {"avx2", "fma"} <= have:
        return "avx2"
    return "neon" if "neon" in have else "plain"


def model_name() -> str:
    """Return the processor's name as the operating system gives it."""
    fallback = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf8") as file:
            found = (
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            )
            return next(found, fallback)
    except OSError:
        return fallback


def usable_cores() -> int:
    """Return the number of cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
