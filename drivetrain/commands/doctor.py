"""Say what is here, what is missing and how to get it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Say what is here, what is missing and how to get it."""

    def run(self) -> None:
        """Print versions, processor, threads, backends and the optional packages."""
        for title, lines in _sections().items():
            print(f"{title}:")
            width = max(len(name) for name, _ in lines)
            print("\n".join(f"  {name:<{width}}  {value}" for name, value in lines))


def _sections() -> dict[str, list[tuple[str, str]]]:
    return {
        "system": _system(),
        "threads": _threads(),
        "backends": _backends(),
        "optional packages": _optional(),
    }


def _system() -> list[tuple[str, str]]:
    import platform
    from importlib.metadata import version

    from drivetrain.core import cpu

    packages = ("drivetrain", "torch", "numpy", "scipy", "numba", "scikit-learn", "safetensors")
    shown = ("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512bf16", "neon")
    have = [name for name in shown if name in cpu.features()]
    return [
        ("python", f"{platform.python_version()} ({platform.system()} {platform.machine()})"),
        *((name, version(name)) for name in packages),
        ("cpu", cpu.model_name()),
        ("vectors", f"{cpu.family()} ({', '.join(have) or 'none known'})"),
    ]


def _threads() -> list[tuple[str, str]]:
    import numba
    import torch

    from drivetrain.core import cpu

    return [
        ("usable cores", str(cpu.usable_cores())),
        ("torch", str(torch.get_num_threads())),
        ("numba", f"{numba.get_num_threads()} ({_threading_layer()})"),
    ]


def _threading_layer() -> str:
    from importlib.util import find_spec

    layers = ("tbb", "omp", "workqueue")
    modules = ("tbbpool", "omppool", "workqueue")
    found = [a for a, b in zip(layers, modules) if find_spec(f"numba.np.ufunc.{b}")]
    return "/".join(found) or "no threading layer"


def _backends() -> list[tuple[str, str]]:
    import torch

    from drivetrain.core.backend import BACKENDS, why_missing

    states = {name: why_missing(name) or "here" for name in BACKENDS}
    if states["triton"] == "here" and not torch.cuda.is_available():
        states["triton"] = "here, but torch sees no GPU: kernels can only be interpreted"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return [*states.items(), ("gpu", device)]


def _optional() -> list[tuple[str, str]]:
    """Return each extra with the packages of it that are not installed."""
    from importlib.metadata import metadata

    from drivetrain.core.errors import MissingDependency

    extras = metadata("drivetrain").get_all("Provides-Extra") or []
    rows = []
    for extra in sorted(set(extras) - {"dev"}):
        missing = _missing(extra)
        how = f"pip install 'drivetrain[{extra}]'"
        rows.append((extra, f"missing {', '.join(missing)}: {how}" if missing else "here"))
    if not rows:
        raise MissingDependency("drivetrain is not installed as a package: pip install -e .")
    return rows


def _missing(extra: str) -> list[str]:
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    missing = []
    for text in requires("drivetrain") or []:
        requirement = Requirement(text)
        if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            if not requirement.specifier.contains(version(requirement.name), prereleases=True):
                missing.append(str(requirement.name) + str(requirement.specifier))
        except PackageNotFoundError:
            missing.append(requirement.name)
    return missing
