"""Detection by masks: files to numbers, memory, and run-length kernels beside pycocotools' C."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.bench.detection import ONE_ROUNDING, same, share_threads
from drivetrain.bench.harness.case import Case, Contender, Measure, Race
from drivetrain.bench.peers import coco_masks
from drivetrain.bench.peers.cocoeval import FASTER, HOTCOCO, PYCOCOTOOLS, ULTRAFAST, Evaluator
from drivetrain.bench.problems import detection as problem
from drivetrain.detection import evaluate
from drivetrain.detection.compat import mask as compat
from drivetrain.detection.masks import from_polygons, iou, to_strings

Files = tuple[Path, Path]
Written = list[dict[str, Any]]


def cases() -> Iterator[Case]:
    """Yield files to numbers, peak memory, and the kernels alone."""
    threads = share_threads()
    files = _files(problem.IMAGES)
    what = "500,000 masks (142 MB of RLE) on 5,000 images, two JSON files to all numbers"
    yield _race("masks-hotcoco", what, files, HOTCOCO, threads, floor=2.0, aim=2.5)
    yield _race("masks-ultrafast", what, files, ULTRAFAST, threads, floor=3.5, aim=4.5)
    fewer = "50,000 masks on 500 images, two JSON files to all numbers"
    for name, peer in (("faster-coco-eval", FASTER), ("pycocotools", PYCOCOTOOLS)):
        yield _race(f"masks-{name}", fewer, _files(500), peer, threads, repeats=3)
    yield _memory(files, threads)
    yield from _kernels()


def _files(images: int) -> Files:
    folder = problem.home() if images == problem.IMAGES else problem.home() / f"masks-{images}"
    problem.write_masks(folder, images=images)
    return folder / "gt.json", folder / "dt_segm.json"


def _race(name: str, what: str, files: Files, peer: Evaluator, threads: int, **goal: Any) -> Race:
    return Race(
        name=name,
        what=what,
        ours=Contender(
            name="drivetrain",
            run=lambda: evaluate(*files, task="segm", threads=threads).tables,
        ),
        peers=(_named(peer.name, lambda: partial(peer.evaluate, *files, "segm")),),
        equal=partial(same, off=ONE_ROUNDING if peer is FASTER else 0.0),
        work=(float(sum(file.stat().st_size for file in files)), "B"),
        **{"repeats": 5, **goal},
    )


def _named(name: str, build: Callable[[], Callable[[], Any]]) -> Callable[[], Contender]:
    """Return the thunk a race wants; its name is shown where the peer is not installed."""

    def thunk() -> Contender:
        return Contender(name=name, run=build())

    thunk.__name__ = name
    return thunk


_OURS = (
    "from drivetrain.detection import evaluate; evaluate({0!r}, {1!r}, task='segm', threads={2})"
)
_HOTCOCO = (
    "from hotcoco import COCO, COCOeval; t = COCO({0!r}); "
    "e = COCOeval(t, t.load_res({1!r}), 'segm'); e.evaluate(); e.accumulate()"
)


def _memory(files: Files, threads: int) -> Measure:
    """Return the most memory a fresh process holds, against hotcoco's."""
    names = [str(file) for file in files]

    @cache
    def peaks() -> tuple[float, float]:
        ours, theirs = (_peak(code.format(*names, threads)) for code in (_OURS, _HOTCOCO))
        return ours, theirs

    return Measure(
        name="masks-memory",
        what="peak memory of a process that evaluates 500,000 masks, as a share of hotcoco's",
        value=lambda: peaks()[0] / peaks()[1],
        high=1.2,
        aim=1.0,
        unit="x",
        detail=lambda: "{:.0f} MB against {:.0f} MB, interpreter included".format(*peaks()),
    )


def _peak(code: str) -> float:
    """Return the most megabytes that a fresh interpreter running the code held."""
    # ru_maxrss would count the process that this one was forked from.
    asks = (
        "status = open('/proc/self/status').read().split()"
        "\nprint(int(status[status.index('VmHWM:') + 1]) * 1024 / 1e6)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{asks}"], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


# Kernels, one thread each.


def _kernels() -> Iterator[Race]:
    corners, size = _outlines(3000)
    drawn = from_polygons(corners, size)
    written = [{"size": list(size), "counts": counts} for counts in to_strings(drawn)]
    yield _kernel(
        "masks-draw",
        "3,000 polygons of 15 corners drawn as run lengths, 480 x 640",
        lambda: to_strings(from_polygons(corners, size)),
        lambda: coco_masks.draw([one.tolist() for one in corners], *size),
    )
    yield _kernel(
        "masks-measure",
        "areas and boxes of 3,000 compressed masks",
        lambda: (compat.area(written).tolist(), compat.toBbox(written).tolist()),
        lambda: coco_masks.measure(written),
    )
    d, g = drawn.take(np.arange(300)), drawn.take(np.arange(300, 400))
    yield _kernel(
        "masks-iou",
        "IoU of 300 x 100 masks, all pairs",
        lambda: iou(d, g).tolist(),
        lambda: coco_masks.overlap(written[:300], written[300:400]),
    )


def _outlines(n: int) -> tuple[list[NDArray[np.float64]], tuple[int, int]]:
    rng, size = np.random.default_rng(0), (480, 640)
    corners = []
    for _ in range(n):
        turns = np.sort(rng.uniform(0, 2 * np.pi, 15))
        reach = rng.uniform(20, 150) * rng.uniform(0.7, 1.0, 15)
        x, y = (
            rng.uniform(0, 640) + reach * np.cos(turns),
            rng.uniform(0, 480) + reach * np.sin(turns),
        )
        corners.append(np.stack([x, y], axis=1).round(2).ravel())
    return corners, size


def _kernel(
    name: str, what: str, ours: Callable[[], Any], theirs: Callable[[], Callable[[], Any]]
) -> Race:
    return Race(
        name=name,
        what=what,
        ours=Contender(name="drivetrain", run=ours),
        peers=(_named("pycocotools", theirs),),
        equal=_equal,
    )


def _equal(ours: Any, theirs: Any) -> str:
    assert ours == theirs, "they differ"
    return "equal bit for bit"
