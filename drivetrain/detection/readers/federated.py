"""LVIS' federated labels: which classes were verified in which image."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Federation, Ids
from drivetrain.detection.json.columns import Columns
from drivetrain.detection.json.failure import BrokenJson
from drivetrain.detection.json.objects import value_at
from drivetrain.detection.json.source import Source
from drivetrain.detection.json.texts import Texts, spans_of

NEGATIVE, INEXHAUSTIVE = "neg_category_ids", "not_exhaustive_category_ids"


def federation_of(
    source: Source,
    images: Columns,
    image_ids: Ids,
    categories: Columns | None,
    words: Sequence[str],
) -> Federation | None:
    """Return what the file says was labelled where, or None where it says nothing.

    Args:
        source: The file.
        images: Its images.
        image_ids: Their ids.
        categories: Its categories.
        words: The category ids where they are text; their ranks are the numbers.

    Raises:
        BrokenJson: A member is not a list of category ids.
    """
    rank = {word: i for i, word in enumerate(words)}
    negative = _pairs(source, images, NEGATIVE, image_ids, rank)
    inexhaustive = _pairs(source, images, INEXHAUSTIVE, image_ids, rank)
    if negative is None and inexhaustive is None:
        return None
    nothing = np.empty((0, 2), np.int64)
    letters = Texts(source, spans_of(categories, "frequency")) if categories else ()
    return Federation(
        negative=nothing if negative is None else negative,
        not_exhaustive=nothing if inexhaustive is None else inexhaustive,
        frequency="".join(letters) if all(letters) else "",
    )


def _pairs(
    source: Source, images: Columns, key: str, image_ids: Ids, rank: Mapping[str, int]
) -> NDArray[np.int64] | None:
    spans = spans_of(images, key)
    if len(spans) == 0 or spans.max() < 0:
        return None
    pairs: list[tuple[int, int]] = []
    for image, (begin, end) in zip(image_ids.tolist(), spans.tolist()):
        value = value_at(source, begin, end) if end > begin else []
        try:
            pairs.extend((image, rank[one] if isinstance(one, str) else int(one)) for one in value)
        except (TypeError, ValueError, KeyError):
            raise BrokenJson(
                f"{source.name}: {key} at byte {begin} must be a list of category ids."
            ) from None
    return np.array(pairs, np.int64).reshape(-1, 2)
