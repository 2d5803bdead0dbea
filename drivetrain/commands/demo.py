"""Show every method on real data: one self-contained HTML page."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from drivetrain.commands.shell.messages import EXIT_FINDING


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Show every method on real data: one self-contained HTML page."""

    methods: tyro.conf.Positional[tuple[str, ...]] = ()
    """Methods to show; all that have a section where none is named."""
    out: Path = Path("demo.html")
    """The page to write."""
    seed: int = 0
    """Of every random stream."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must be >= 0. Got {self.seed}.")

    def run(self) -> int:
        """Draw the sections; 1 where a figure could not be drawn, with its error on the page."""
        import sys

        from drivetrain.gallery.page.build import build

        built = build(list(self.methods), self.out, seed=self.seed)
        print(f"{built.path}: {built.figures} figures, {built.size / 1e6:.2f} MB")
        for failure in built.failed:
            print(f"drivetrain: not drawn: {failure}", file=sys.stderr)
        return EXIT_FINDING if built.failed else 0
