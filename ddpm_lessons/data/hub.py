"""Pictures from a data set of Hugging Face. This is the one module that knows of `datasets`."""

from types import ModuleType

from ddpm_lessons.data.mnist import DataError
from ddpm_lessons.data.pictures import Pictures

PREFIX = "hf:"


def hub_pictures(source: str) -> Pictures:
    """The images of `hf:NAME`, `hf:NAME:SPLIT` or `hf:NAME:SPLIT:LABELS`.

    NAME is what `datasets.load_dataset` takes; what is not in its cache yet, it downloads. SPLIT is
    "train" by default. The images are in the one column of the type `Image`, the labels in that of
    the type `ClassLabel`; where there are several, LABELS names one.
    Raises DataError if `datasets` is not installed, if it cannot load the set, or if the set has
    not these columns.
    """
    try:
        import datasets  # only if it is needed: it is optional, and large
    except ImportError:
        remedy = "pip install datasets"
        raise DataError(f"{source} needs a package that is not here: {remedy}") from None
    name, split, column = _parts(source)
    try:
        rows = datasets.load_dataset(name, split=split)
    except Exception as error:  # no network, no such set, no such split, a file that is damaged
        reason = (str(error) or repr(error)).splitlines()[0]
        raise DataError(f"{source}: cannot be loaded ({reason})") from error
    images, labels = _columns(source, rows.features, datasets, column)
    if not len(rows):
        raise DataError(f"{source}: holds no images")
    classes = tuple(rows.features[labels].names) if labels else ()
    given = rows[labels] if labels else [0] * len(rows)
    return Pictures(
        read=lambda i: rows[i][images],
        name=lambda i: f"{source}, image {i}",
        labels=[-1 if label is None else int(label) for label in given],
        classes=classes,
    )


def _parts(source: str) -> tuple[str, str, str]:
    parts = source.removeprefix(PREFIX).split(":")
    if not parts[0] or len(parts) > 3:
        expected = "hf:NAME, hf:NAME:SPLIT or hf:NAME:SPLIT:LABELS"
        raise DataError(f"source is {source!r}, expected {expected}")
    name, split, column = (*parts, "", "")[:3]
    return name, split or "train", column


def _columns(source: str, features: dict, datasets: ModuleType, column: str) -> tuple[str, str]:
    """The columns of images and of labels; the latter is empty if there are none."""
    images = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    if len(images) != 1:
        found = f"columns of images {images} among {list(features)}"
        raise DataError(f"{source}: has the {found}, expected one of the type Image")
    labels = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    if column and column not in labels:
        raise DataError(f"{source}: has the columns of labels {labels}, expected {column!r}")
    if len(labels) > 1 and not column:
        remedy = f"hf:NAME:SPLIT:{labels[0]}"
        raise DataError(f"{source}: has the columns of labels {labels}; choose one by {remedy}")
    return images[0], column or (labels[0] if labels else "")
