"""Compile every CPU kernel now, so that first calls are fast."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Warmup:
    """Compile every CPU kernel now and cache it on disk, so that first calls are fast."""

    def run(self) -> None:
        """Run each method's ``warmup`` module."""
        import time
        from importlib import import_module

        from drivetrain.core.progress import progress
        from drivetrain.core.rooms import PACKAGE

        files = sorted(PACKAGE.rglob("warmup.py"))
        files = [file for file in files if file.parent.name != "commands"]
        began = time.perf_counter()
        with progress("warming up", len(files)) as advance:
            for file in files:
                room = ".".join(file.relative_to(PACKAGE).parent.parts)
                advance(room)
                import_module(f"drivetrain.{room}.warmup").warmup()
        print(f"{len(files)} sets of kernels are ready ({time.perf_counter() - began:.1f} s)")
