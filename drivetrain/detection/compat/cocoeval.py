"""pycocotools' ``COCOeval``: the same names, the same bits, the same printed text."""

import copy
import datetime
import time
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.compat.coco import COCO
from drivetrain.detection.compat.compare import Comparison
from drivetrain.detection.compat.given import tables_of
from drivetrain.detection.compat.params import Params
from drivetrain.detection.compat.prepare import prepare

Floats = NDArray[np.float64]


class COCOeval:
    """Compare results with a data set as COCO does.

    Unlike pycocotools it writes nothing into the annotations (there ``ignore``, ``_ignore`` and
    run-length masks remain in them), and what is wrong with an entry is said in words.

    Args:
        cocoGt: The data set.
        cocoDt: Results on it, from its ``loadRes``.
        iouType: ``segm``, ``bbox`` or ``keypoints``.

    Attributes:
        params: The settings, to be changed before ``evaluate``.
        eval: Tables of ``accumulate``: ``precision`` and ``scores`` (T, R, K, A, M), ``recall``
            (T, K, A, M); -1 where there is no truth to be found.
        stats: The 12 numbers of ``summarize``, 10 for keypoints.
        evalImgs: What was matched in each image, class and area range; built when first read.
            From then on ``accumulate`` counts what it holds, so that a script may gather it
            over batches of images and put it back.
        ious: Overlaps of each image and class; built when first read.

    Raises:
        ValueError: Another iouType.

    References:
        T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its
        ``cocoeval.py``.
    """

    def __init__(
        self, cocoGt: COCO | None = None, cocoDt: COCO | None = None, iouType: str = "segm"
    ) -> None:
        if not iouType:
            print("iouType not specified. use default iouType segm")
        self.cocoGt = cocoGt
        self.cocoDt = cocoDt
        self.params = Params(iouType=iouType)
        self.eval: dict[str, Any] = {}
        self.stats: Any = []
        self.evalImgs: Any = defaultdict(list)
        self.ious: Any = {}
        self._paramsEval: Any = {}
        self._comparison: Comparison | None = None
        if cocoGt is not None:
            self.params.imgIds = sorted(cocoGt.getImgIds())
            self.params.catIds = sorted(cocoGt.getCatIds())

    def __getattr__(self, name: str) -> Any:
        # Only what is not there yet comes here: evalImgs and ious after evaluate.
        if name not in ("evalImgs", "ious") or self._comparison is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        p = self._paramsEval
        value: Any = (
            self._comparison.overlaps(p) if name == "ious" else self._comparison.by_image(p)
        )
        self.__dict__[name] = value
        return value

    def evaluate(self) -> None:
        """Match results to truths in every image, class and area range.

        Raises:
            ValueError: An entry lacks what the comparison needs; it is named by its id.
        """
        start = time.time()
        print("Running per image evaluation...")
        p = self.params
        if p.useSegm is not None:
            p.iouType = "segm" if p.useSegm == 1 else "bbox"
            print(f"useSegm (deprecated) is not None. Running {p.iouType} evaluation")
        print(f"Evaluate annotation type *{p.iouType}*")
        p.imgIds = list(np.unique(p.imgIds))
        if p.useCats:
            p.catIds = list(np.unique(p.catIds))
        p.maxDets = sorted(p.maxDets)
        self._prepare()
        assert self._comparison is not None
        self._comparison.match()
        self._paramsEval = copy.deepcopy(p)
        for name in ("evalImgs", "ious"):
            self.__dict__.pop(name, None)
        print(f"DONE (t={time.time() - start:0.2f}s).")

    # Many scripts bring an evaluate of their own, which calls these four.

    def _prepare(self) -> None:
        if self.cocoGt is None or self.cocoDt is None:
            raise ValueError("evaluate needs cocoGt and cocoDt. Got None.")
        self._comparison = Comparison(prepare(self.cocoGt, self.cocoDt, self.params), self.params)
        self.eval = {}

    def _prepared(self) -> Comparison:
        if self._comparison is None:
            raise RuntimeError("_prepare() must be run first.")
        return self._comparison

    def computeIoU(self, imgId: Any, catId: Any) -> Any:
        """Return the overlaps (D, G) of one image and class, best result first; [] if none."""
        return self._prepared().overlap_of(imgId, catId)

    def computeOks(self, imgId: Any, catId: Any) -> Any:
        """Return the similarities of keypoints (D, G) as ``computeIoU`` does."""
        return self.computeIoU(imgId, catId)

    def evaluateImg(self, imgId: Any, catId: Any, aRng: Any, maxDet: int) -> dict[str, Any] | None:
        """Return what is matched in one image, class and area range; None if it holds nothing.

        Raises:
            ValueError: Not one of the images, classes or ranges of ``params``, or another cap
                than the last of its ``maxDets``.
        """
        if maxDet != self.params.maxDets[-1]:
            raise ValueError(
                f"maxDet must be the last of params.maxDets, {self.params.maxDets}. Got {maxDet}."
            )
        return self._prepared().image_of(imgId, catId, aRng)

    def accumulate(self, p: Params | None = None) -> None:
        """Table precision, recall and scores of what ``evaluate`` matched, in ``eval``.

        Args:
            p: Other parameters than ``params``: fewer images, classes, ranges or caps, or other
                recalls. As in pycocotools, what they share with those of ``evaluate`` is counted.

        Raises:
            RuntimeError: Before ``evaluate``.
            ValueError: The parameters do not fit those of ``evaluate``.
        """
        print("Accumulating evaluation results...")
        start = time.time()
        p = self.params if p is None else p
        precision, recall, scores = self._tables(p)
        self.eval = {
            "params": p,
            "counts": list(precision.shape),
            "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            "precision": precision,
            "recall": recall,
            "scores": scores,
        }
        print(f"DONE (t={time.time() - start:0.2f}s).")

    def _tables(self, p: Params) -> tuple[Floats, Floats, Floats]:
        """Table what was matched here, or what a script put into ``evalImgs`` instead."""
        given: Any = self.__dict__.get("evalImgs")
        taken = given is not None and len(given) > 0
        if self._comparison is None and not taken:
            print("Please run evaluate() first")
            raise RuntimeError("accumulate needs what evaluate() matches: run it first.")
        p.catIds = p.catIds if p.useCats == 1 else [-1]
        # Once read, they may have been changed, or gathered over batches of images: theirs then
        # are the numbers that count, as with the dictionaries of COCO.
        if taken:
            return tables_of(given, p, self._paramsEval or self.params)
        assert self._comparison is not None
        return self._comparison.tables(p, self._paramsEval)

    def summarize(self) -> None:
        """Print the 12 numbers (10 for keypoints) and keep them in ``stats``.

        Raises:
            RuntimeError: Before ``accumulate``.
            IndexError: Fewer than three maxDets, where boxes or masks are summarized.
        """
        if not self.eval:
            raise RuntimeError("Please run accumulate() first")
        if self.params.iouType == "keypoints":
            self.stats = self._summarize_keypoints()
        else:
            self.stats = self._summarize_detections()

    def _summarize_detections(self) -> Floats:
        caps = self.params.maxDets
        if len(caps) < 3:
            raise IndexError(f"summarize needs three maxDets, as in [1, 10, 100]. Got {caps}.")
        last = caps[2]
        return np.array(
            [
                # 100 and not the last cap: -1 where that is another. pycocotools' quirk.
                self._mean("AP", cap=100),
                self._mean("AP", threshold=0.5, cap=last),
                self._mean("AP", threshold=0.75, cap=last),
                *(self._mean("AP", area=area, cap=last) for area in ("small", "medium", "large")),
                *(self._mean("AR", cap=cap) for cap in caps[:3]),
                *(self._mean("AR", area=area, cap=last) for area in ("small", "medium", "large")),
            ],
            np.float64,
        )

    def _summarize_keypoints(self) -> Floats:
        return np.array(
            [
                self._mean(kind, threshold=threshold, area=area, cap=20)
                for kind in ("AP", "AR")
                for threshold, area in (
                    (None, "all"),
                    (0.5, "all"),
                    (0.75, "all"),
                    (None, "medium"),
                    (None, "large"),
                )
            ],
            np.float64,
        )

    def _mean(
        self, kind: str, *, cap: int, threshold: float | None = None, area: str = "all"
    ) -> float:
        """Print and return one number: the mean over thresholds, recalls and classes."""
        p = self.params
        a = [i for i, label in enumerate(p.areaRngLbl) if label == area]
        m = [i for i, size in enumerate(p.maxDets) if size == cap]
        table = self.eval["precision" if kind == "AP" else "recall"]
        if threshold is not None:
            table = table[np.flatnonzero(threshold == np.asarray(p.iouThrs))]
        # The order of these entries decides the last bit of their mean.
        table = table[..., a, m]
        known = table[table > -1]
        mean = np.mean(known) if len(known) else -1
        title = "Average Precision" if kind == "AP" else "Average Recall"
        between = f"{p.iouThrs[0]:0.2f}:{p.iouThrs[-1]:0.2f}"
        at = between if threshold is None else f"{threshold:0.2f}"
        print(
            f" {title:<18} ({kind}) @[ IoU={at:<9} | area={area:>6s} | maxDets={cap:>3d} ]"
            f" = {mean:0.3f}"
        )
        return float(mean)

    def __str__(self) -> str:
        if self.eval:
            self.summarize()
        return f"{type(self).__name__}({self.params.iouType})"
