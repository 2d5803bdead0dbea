"""Print the BibTeX of the papers a method comes from."""

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Cite:
    """Print the BibTeX of the papers a method comes from."""

    method: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="METHOD")]
    """One of the twelve methods."""

    def run(self) -> None:
        """Print the entries."""
        from drivetrain.core.citations import citation

        print(citation(self.method))
