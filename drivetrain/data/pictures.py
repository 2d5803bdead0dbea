"""Photographs that scikit-learn and scikit-image ship: nothing is downloaded."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import require, unknown

# Name: whose it is, and its terms as scikit-image's documentation gives them.
_SKIMAGE = {
    "astronaut": ("NASA, Eileen Collins", "public domain"),
    "camera": ("Lav Varshney, cameraman", "CC0"),
    "cell": ("scikit-image, cell", "CC0"),
    "chelsea": ("Stefan van der Walt, Chelsea the cat", "CC0"),
    "coffee": ("Rachel Michetti, coffee cup", "CC0"),
    "coins": ("Brooklyn Museum, coins from Pompeii", "no known copyright restrictions"),
    "retina": ("Häggström, fundus of a normal eye (2014)", "CC0 1.0"),
    "rocket": ("SpaceX, Falcon 9", "public domain"),
    "text": ("Wikipedia, corner of a printed page", "public domain"),
}
_SKLEARN = {
    "china": ("danielbuechele, temple in China; scikit-learn", "CC BY 2.0"),
    "flower": ("vultilion, flower; scikit-learn", "CC BY 2.0"),
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A photograph.

    Attributes:
        pixels: uint8, (height, width, 3) for colour or (height, width) for grey.
        source: Whose picture it is.
        licence: Under what terms.
    """

    pixels: NDArray[np.uint8]
    source: str
    licence: str


def picture_names() -> list[str]:
    """Return the names that ``picture`` knows, sorted.

    Example:
        >>> "astronaut" in picture_names()
        True
    """
    return sorted([*_SKIMAGE, *_SKLEARN])


def picture(name: str) -> Picture:
    """Return a photograph by its name.

    Raises:
        ValueError: There is none of that name.
        MissingDependency: scikit-image (or Pillow, for ``"china"`` and ``"flower"``) is not
            installed; the message says how to get it.
    """
    if name in _SKLEARN:
        require("PIL", "drivetrain[data]")
        from sklearn.datasets import load_sample_image

        return _picture(load_sample_image(f"{name}.jpg"), *_SKLEARN[name])
    if name not in _SKIMAGE:
        raise unknown("picture", name, picture_names())
    images = require("skimage.data", "drivetrain[data]")
    return _picture(getattr(images, name)(), *_SKIMAGE[name])


def _picture(pixels: Any, source: str, licence: str) -> Picture:
    return Picture(pixels=np.asarray(pixels, np.uint8), source=source, licence=licence)
