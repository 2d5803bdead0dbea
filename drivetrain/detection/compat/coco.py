"""pycocotools' ``COCO``: a data set or results, its dictionaries built when they are asked for."""

import copy
import itertools
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.detection.annotations import Detections, GroundTruth
from drivetrain.detection.compat import results
from drivetrain.detection.compat.files import Scanned, scan_results, scan_truth
from drivetrain.detection.compat.results import ResultsError

Entry = dict[str, Any]
_INDEX = ("anns", "cats", "imgs", "imgToAnns", "catToImgs")


class COCO:
    """A COCO data set, or results on one, with pycocotools' names.

    A file is scanned into columns at once; ``dataset``, ``anns``, ``cats``, ``imgs``,
    ``imgToAnns`` and ``catToImgs`` are built when first read. From then on they are the truth:
    what a script changes in them is what is evaluated.

    Args:
        annotation_file: Path of the JSON file, or None for an empty data set.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not COCO's JSON; the message says where.

    Example:
        >>> import contextlib, io
        >>> data = COCO()
        >>> data.dataset = {
        ...     "images": [{"id": 7, "width": 64, "height": 64}],
        ...     "categories": [{"id": 1, "name": "cat"}],
        ...     "annotations": [],
        ... }
        >>> with contextlib.redirect_stdout(io.StringIO()):
        ...     data.createIndex()
        >>> data.getImgIds(), data.getCatIds(catNms=["cat"])
        ([7], [1])
    """

    def __init__(self, annotation_file: str | os.PathLike[str] | None = None) -> None:
        self._scanned: Scanned | None = None
        self._parent: COCO | None = None
        self._entries: list[Entry] | None = None
        if annotation_file is None:
            self._index({})
            return
        print("loading annotations into memory...")
        start = time.time()
        self._scanned = scan_truth(annotation_file)
        dataset = self._loaded() if self._scanned.columns is None else None
        print(f"Done (t={time.time() - start:0.2f}s)")
        print("creating index...")
        if dataset is not None:
            self._index(dataset)
        print("index created!")

    def __getattr__(self, name: str) -> Any:
        # Only what is not there yet comes here: the dictionaries, before they are first read.
        if name != "dataset" and name not in _INDEX:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._index(self._loaded())
        return self.__dict__[name]

    @property
    def touched(self) -> bool:
        """Whether the dictionaries have been built, so that a script may have changed them."""
        return "dataset" in self.__dict__

    @property
    def columns(self) -> GroundTruth | Detections | None:
        """The columns of the file, or None where the dictionaries are the truth."""
        return None if self.touched or self._scanned is None else self._scanned.columns

    def columns_for(self, task: str) -> GroundTruth | Detections | None:
        """Return the columns with what a task compares, or None as ``columns`` is."""
        return None if self.touched or self._scanned is None else self._scanned.for_task(task)

    def _loaded(self) -> Entry:
        if self._parent is None:
            loaded = {} if self._scanned is None else self._scanned.load()
            if not isinstance(loaded, dict):
                kind = type(loaded).__name__
                raise ResultsError(f"a data set must be a JSON object. Got a {kind}.")
            return loaded
        if self._entries is None and self._scanned is not None:
            self._entries = self._scanned.load()
            results.complete(self._entries)
        return results.dataset_of(self._entries or [], self._parent.dataset)

    def createIndex(self) -> None:
        """Build ``anns``, ``cats``, ``imgs``, ``imgToAnns`` and ``catToImgs`` from ``dataset``."""
        print("creating index...")
        self._index(self.dataset)
        print("index created!")

    def _index(self, dataset: Entry) -> None:
        self.dataset = dataset
        entries = dataset.get("annotations", [])
        self.anns = {entry["id"]: entry for entry in entries}
        self.imgs = {entry["id"]: entry for entry in dataset.get("images", [])}
        self.cats = {entry["id"]: entry for entry in dataset.get("categories", [])}
        self.imgToAnns: dict[Any, list[Entry]] = defaultdict(list)
        self.catToImgs: dict[Any, list[Any]] = defaultdict(list)
        for entry in entries:
            self.imgToAnns[entry["image_id"]].append(entry)
            if "categories" in dataset:
                self.catToImgs[entry["category_id"]].append(entry["image_id"])

    def info(self) -> None:
        """Print what the file says about itself."""
        for key, value in self.dataset["info"].items():
            print(f"{key}: {value}")

    def getAnnIds(
        self, imgIds: Any = (), catIds: Any = (), areaRng: Any = (), iscrowd: bool | None = None
    ) -> list[Any]:
        """Return ids of the annotations that pass all filters; an empty filter lets all pass.

        Args:
            imgIds: Of these images.
            catIds: Of these classes.
            areaRng: Least and greatest area, both exclusive.
            iscrowd: Only crowds, or only others.
        """
        images, classes = _listed(imgIds), _listed(catIds)
        entries = self.dataset["annotations"]
        if len(images):
            known = (self.imgToAnns[image] for image in images if image in self.imgToAnns)
            entries = list(itertools.chain.from_iterable(known))
        if len(classes):
            entries = [entry for entry in entries if entry["category_id"] in classes]
        if len(areaRng):
            low, high = areaRng[0], areaRng[1]
            entries = [entry for entry in entries if low < entry["area"] < high]
        if iscrowd is not None:
            entries = [entry for entry in entries if entry["iscrowd"] == iscrowd]
        return [entry["id"] for entry in entries]

    def getCatIds(self, catNms: Any = (), supNms: Any = (), catIds: Any = ()) -> list[Any]:
        """Return ids of the categories that pass all filters; an empty filter lets all pass.

        Args:
            catNms: Of these names.
            supNms: Of these supercategories.
            catIds: Of these ids.
        """
        names, groups, classes = _listed(catNms), _listed(supNms), _listed(catIds)
        truth = self._truth
        if truth is not None and not (len(names) or len(groups) or len(classes)):
            return list(truth.category_ids.tolist())
        entries = self.dataset["categories"]
        if len(names):
            entries = [entry for entry in entries if entry["name"] in names]
        if len(groups):
            entries = [entry for entry in entries if entry["supercategory"] in groups]
        if len(classes):
            entries = [entry for entry in entries if entry["id"] in classes]
        return [entry["id"] for entry in entries]

    def getImgIds(self, imgIds: Any = (), catIds: Any = ()) -> list[Any]:
        """Return ids of the images that hold all the classes; of all images where no filter is.

        Args:
            imgIds: Of these images.
            catIds: Holding all of these classes.
        """
        images, classes = _listed(imgIds), _listed(catIds)
        if not len(images) and not len(classes):
            truth = self._truth
            if truth is not None:
                return list(dict.fromkeys(truth.image_ids.tolist()))
            return list(self.imgs)
        chosen = set(images)
        for position, category in enumerate(classes):
            holding = set(self.catToImgs[category])
            chosen = holding if position == 0 and not chosen else chosen & holding
        return list(chosen)

    def loadAnns(self, ids: Any = ()) -> list[Entry]:
        """Return the annotations of these ids."""
        return [self.anns[key] for key in _listed(ids)]

    def loadCats(self, ids: Any = ()) -> list[Entry]:
        """Return the categories of these ids."""
        return [self.cats[key] for key in _listed(ids)]

    def loadImgs(self, ids: Any = ()) -> list[Entry]:
        """Return the images of these ids."""
        return [self.imgs[key] for key in _listed(ids)]

    def chosen(self, images: Sequence[Any], classes: Sequence[Any] | None) -> list[Entry]:
        """Return the entries of these images and classes (None: all), as COCOeval looks them up.

        By their ids: where an id repeats, every entry of that id is the last one, as often.
        """
        wanted = None if classes is None else set(classes)
        if not self.touched and self._entries is not None:
            inside = set(images)
            return [
                entry
                for entry in self._entries
                if entry["image_id"] in inside
                and (wanted is None or entry["category_id"] in wanted)
            ]
        return [
            self.anns[entry["id"]]
            for image in images
            for entry in self.imgToAnns.get(image, ())
            if wanted is None or entry["category_id"] in wanted
        ]

    def loadRes(
        self, resFile: str | os.PathLike[str] | list[Entry] | NDArray[np.floating]
    ) -> "COCO":
        """Return results on this data set.

        Args:
            resFile: Path of the JSON file; its list; or an array of image id, x, y, width,
                height, score, class id, (n, 7).

        Raises:
            ValueError: Not a list, empty, or of images that the data set has not. Also an
                AssertionError or IndexError, which is what pycocotools raises.
        """
        found = COCO.__new__(COCO)
        found._parent, found._scanned, found._entries = self, None, None
        print("Loading and preparing results...")
        start = time.time()
        if isinstance(resFile, (str, os.PathLike)):
            found._scanned = scan_results(resFile, self._truth)
        if found.columns is None:
            entries = self._listed_results(resFile if found._scanned is None else found._scanned)
            found._entries = results.check(entries, self.getImgIds())
            results.complete(found._entries)
        print(f"DONE (t={time.time() - start:0.2f}s)")
        print("creating index...")
        print("index created!")
        return found

    def _listed_results(self, source: Any) -> Any:
        if isinstance(source, Scanned):
            return source.load()
        return self.loadNumpyAnnotations(source) if isinstance(source, np.ndarray) else source

    def loadNumpyAnnotations(self, data: NDArray[np.floating]) -> list[Entry]:
        """Return the rows image id, x, y, width, height, score, class id as results, (n, 7)."""
        print("Converting ndarray to lists...")
        print(data.shape)
        return results.entries_of(data)

    def annToRLE(self, ann: Entry) -> Entry:
        """Return an annotation's polygons or runs as COCO's compressed run-length mask."""
        height, width = self.size_of(ann["image_id"])
        return results.run_length(ann["segmentation"], height, width)

    def size_of(self, image: Any) -> tuple[int, int]:
        """Return height and width of an image.

        Raises:
            ValueError: The data set does not say.
        """
        whole = self if self._parent is None or self.touched else self._parent
        try:
            return whole.imgs[image]["height"], whole.imgs[image]["width"]
        except KeyError as error:
            raise ValueError(
                f"image of id {image!r} has no {error.args[0]!r}: masks need its height and width."
            ) from None

    def annToMask(self, ann: Entry) -> NDArray[np.uint8]:
        """Return an annotation's mask, (height, width), of 0 and 1."""
        from drivetrain.detection.compat import mask

        return np.asarray(mask.decode(self.annToRLE(ann)))

    def showAnns(self, anns: list[Entry], draw_bbox: bool = False) -> int:
        """Refuse to draw, unless there is nothing to draw.

        Raises:
            NotImplementedError: There is something to draw.
        """
        if not anns:
            return 0
        raise NotImplementedError(
            f"showAnns draws with matplotlib, which this package does not load ({len(anns)} "
            "annotations given): draw annToMask(ann) and ann['bbox'] in your own figure."
        )

    def download(self, tarDir: str | None = None, imgIds: Iterable[Any] = ()) -> int:
        """Refuse to download.

        Raises:
            NotImplementedError: A folder was given.
        """
        if tarDir is None:
            print("Please specify target directory")
            return -1
        raise NotImplementedError(
            "download is not offered: this package opens no network connection. The addresses "
            "are in imgs[id]['coco_url']."
        )

    @property
    def _truth(self) -> GroundTruth | None:
        """The columns that know all images and classes, or None."""
        whole = self if self._parent is None else self._parent
        columns = None if self.touched else whole.columns
        return columns if isinstance(columns, GroundTruth) else None

    def __deepcopy__(self, memo: dict[int, Any]) -> "COCO":
        twin = COCO.__new__(COCO)
        twin.__dict__.update({k: copy.deepcopy(v, memo) for k, v in self.__dict__.items()})
        return twin


def _listed(value: Any) -> Any:
    # pycocotools asks for __iter__ and __len__, so that the letters of a text are a list too.
    return value if np.iterable(value) else [value]
