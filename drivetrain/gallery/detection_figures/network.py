"""Detector B: a small convolutional network that slides over an image pyramid.

The network reads a window of 20 x 20 pixels and answers with the probabilities of ten digits and
of none, and with a box. Made of unpadded convolutions, it reads all windows of a picture, one
every four pixels, in one pass. Shapes: b pictures, n windows, h x w windows of a picture.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate, pad, smooth_l1_loss

from drivetrain.data import Scenes
from drivetrain.gallery.detection_figures.found import Floats, Found, Ints, joined, suppressed
from drivetrain.optim import AdamW, warmup_cosine

WINDOW, STRIDE, NOTHING = 20, 4, 10
# A digit 13 pixels high fits the window best; each level of the pyramid is for a range of heights.
FIT, STEP, LEVELS = 13.0, 1.35, 8
LARGEST = 17.0
LEAST_SCORE, OVERLAP = 0.1, 0.45
BATCH, SHIFTS, EMPTY = 64, 2, 6
CHUNK = 160_000


def network(seed: int) -> nn.Sequential:
    """Return the untrained network: 11 logits and 4 numbers of the box for each window."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            *(nn.Conv2d(1, 16, 5, 2), nn.ReLU()),
            *(nn.Conv2d(16, 48, 4, 2), nn.ReLU()),
            *(nn.Conv2d(48, 96, 3), nn.ReLU()),
            nn.Conv2d(96, NOTHING + 1 + 4, 1),
        )


def pyramid(scenes: Scenes, shift: tuple[int, int] = (0, 0)) -> Iterator[tuple[float, Tensor]]:
    """Yield the scale of each level and its pictures, darkness in [0, 1], (b, 1, rows, columns).

    A margin of half a window lets windows be centred on the edge; ``shift`` moves the grid.
    """
    darkness = 1 - torch.from_numpy(scenes.images).float().div(255)[:, None]
    darkness = darkness - darkness.flatten(1).median(1).values[:, None, None, None]
    y, x = shift
    for level in range(LEVELS):
        scale = FIT / (LARGEST * STEP**level)
        size = [round(scale * side) for side in darkness.shape[-2:]]
        # Averages what shrinks, so that thin strokes do not vanish.
        small = interpolate(darkness, size, mode="bilinear", antialias=True)
        half = WINDOW // 2
        # Whole strides, so that the network's windows are those of unfold.
        below, right = (half - (side + by) % STRIDE for side, by in zip(size, shift, strict=True))
        yield scale, pad(small, (half + x, right, half + y, below))


def train(scenes: Scenes, seed: int, *, rounds: int = 8) -> nn.Sequential:
    """Train the network with AdamW; from the second round on, on what it takes for digits.

    Args:
        scenes: Pictures and their digits.
        seed: Of the weights, the windows and their order; the same seed gives the same bits.
        rounds: Passes over all windows with a digit and the hardest without.
    """
    rng = np.random.default_rng(seed)
    drawn = [_windows(scenes, rng) for _ in range(SHIFTS)]
    pictures, labels, boxes = (torch.cat(part) for part in zip(*drawn, strict=True))
    model = network(seed)
    optimizer = AdamW(model.parameters(), lr=4e-3, weight_decay=1e-2)
    holding = int((labels != NOTHING).sum())
    steps = 2 * holding // BATCH
    every = steps * rounds
    schedule = warmup_cosine(optimizer, warmup_steps=min(20, every // 4), total_steps=every)
    for number in range(rounds):
        order = torch.from_numpy(_hardest(model if number else None, pictures, labels, rng))
        for chosen in order[: steps * BATCH].view(steps, BATCH):
            optimizer.zero_grad()
            _loss(model(pictures[chosen])[:, :, 0, 0], labels[chosen], boxes[chosen]).backward()
            optimizer.step()
            schedule.step()
    return model


def _hardest(
    model: nn.Sequential | None, pictures: Tensor, labels: Tensor, rng: np.random.Generator
) -> Ints:
    """Return in random order all windows with a digit, and as many of those without."""
    digit = np.flatnonzero(labels.numpy() != NOTHING)
    empty = rng.permutation(np.flatnonzero(labels.numpy() == NOTHING))
    if model is not None:
        empty = empty[: 2 * len(digit)]
        doubt = _answers(model, pictures[torch.from_numpy(empty)])[0][:, -1, 0, 0].numpy()
        # Half of them the hardest, half at random, so that the easy ones are not forgotten.
        hard = np.argsort(doubt, kind="stable")
        empty = empty[np.concatenate([hard[: len(digit) // 2], np.arange(len(digit))])]
    return rng.permutation(np.concatenate([digit, empty[: len(digit)]]))


def _loss(out: Tensor, labels: Tensor, boxes: Tensor) -> Tensor:
    there = labels != NOTHING
    place = smooth_l1_loss(out[there, NOTHING + 1 :], boxes[there], beta=0.05, reduction="sum")
    return cross_entropy(out[:, : NOTHING + 1], labels) + 10 * place / len(labels)


def _windows(scenes: Scenes, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return all windows with a digit and a sample of the others, most of them with some ink."""
    pictures, labels, boxes = [], [], []
    y, x = (int(number) for number in rng.integers(0, STRIDE, 2))
    for scale, padded in pyramid(scenes, (y, x)):
        windows = padded[:, 0].unfold(1, WINDOW, STRIDE).unfold(2, WINDOW, STRIDE)
        label, box = _labelled(scenes, scale, (y, x), windows.shape[1:3])
        positive, negative = (label >= 0) & (label != NOTHING), label == NOTHING
        inked = negative & (_spread(padded).numpy() > 0.05)
        share = min(1.0, EMPTY * positive.sum() / max(inked.sum(), 1))
        wanted = np.where(inked, share, share / 20)
        kept = positive | (negative & (rng.uniform(size=label.shape) < wanted))
        pictures.append(windows[torch.from_numpy(kept)][:, None])
        labels.append(torch.from_numpy(label[kept]))
        boxes.append(torch.from_numpy(box[kept]).float())
    return torch.cat(pictures), torch.cat(labels), torch.cat(boxes)


def _answers(model: nn.Sequential, padded: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities (b, 11, h, w) and boxes (b, 4, h, w) of all windows of the pictures."""
    with torch.no_grad():
        # A few pictures at a time stay in the cache.
        out = torch.cat([model(few) for few in padded.split(max(1, CHUNK // padded[0].numel()))])
    return out[:, : NOTHING + 1].softmax(1), out[:, NOTHING + 1 :]


def _spread(padded: Tensor) -> Tensor:
    """Return the standard deviation within each window, (b, h, w)."""
    mean = avg_pool2d(padded, WINDOW, STRIDE)
    square = avg_pool2d(padded**2, WINDOW, STRIDE)
    return (square - mean**2).clamp(min=0).sqrt()[:, 0]


def _labelled(
    scenes: Scenes, scale: float, shift: tuple[int, int], grid: torch.Size
) -> tuple[Ints, Floats]:
    """Return what each window holds: a digit, none (10) or too little to say (-1); and the box.

    A box is its centre's distance from the window's, and the logarithms of width and height over
    the best height: all in window pixels over that height.
    """
    label = np.full((len(scenes), *grid), NOTHING)
    box = np.zeros((*label.shape, 4))
    size = scenes.boxes[:, 2:] * scale
    # The margin moves a picture by half a window, so a window's number gives its centre.
    centre = (scenes.boxes[:, :2] * scale + size / 2) + (shift[1], shift[0])
    spots = np.stack(np.meshgrid(*(np.arange(n) for n in grid), indexing="ij")[::-1], -1) * STRIDE
    height = size.max(1) / FIT
    for number, scene in enumerate(scenes.scene):
        away = (centre[number] - spots) / FIT
        near = np.abs(away).max(-1)
        own = label[scene]
        if scenes.crowd[number]:
            inside = (np.abs(centre[number] - spots) < size[number] / 2 + 3).all(-1)
            own[inside] = -1
        elif 0.8 < height[number] < 1.25:
            hit = near < 0.2
            own[(near < 0.35) & (own == NOTHING)] = -1
            own[hit] = scenes.labels[number]
            box[scene][hit, :2] = away[hit]
            box[scene][hit, 2:] = np.log(size[number] / FIT)
        elif 0.6 < height[number] < 1.6:
            own[(near < 0.3) & (own == NOTHING)] = -1
    return label, box


def detect(model: nn.Sequential, scenes: Scenes) -> Found:
    """Return what the network sees with a probability of 10 % or more, overlaps thinned out."""
    parts = []
    for scale, padded in pyramid(scenes):
        chances, boxes = _answers(model, padded)
        parts.append(_decoded(chances[:, :NOTHING].double().numpy(), boxes.double().numpy(), scale))
    every = joined(parts)
    order = np.argsort(every.scene, kind="stable")
    ends = np.searchsorted(every.scene[order], np.arange(len(scenes) + 1))
    scene_by_scene = [
        Found(
            scene=every.scene[own],
            labels=every.labels[own],
            scores=every.scores[own],
            boxes=every.boxes[own],
        )
        for own in (order[low:high] for low, high in pairwise(ends))
    ]
    return joined([suppressed(found, OVERLAP) for found in scene_by_scene])


def _decoded(chances: Floats, boxes: Floats, scale: float) -> Found:
    scene, label, y, x = np.nonzero(chances >= LEAST_SCORE)
    numbers = boxes[scene, :, y, x]
    centre = (STRIDE * np.stack([x, y], 1) + FIT * numbers[:, :2]) / scale
    size = FIT * np.exp(np.clip(numbers[:, 2:], -3, 1)) / scale
    return Found(
        scene=scene,
        labels=label,
        scores=chances[scene, label, y, x],
        boxes=np.concatenate([centre - size / 2, size], 1),
    )
