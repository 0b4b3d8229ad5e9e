"""MNIST without a network: the four original files come with the package.

The first use unpacks them into a cache folder of the user, and every use verifies them by their
SHA-256 before torchvision reads them. Nothing is ever downloaded.

The data set is MNIST by Yann LeCun, Corinna Cortes and Christopher J. C. Burges
(http://yann.lecun.com/exdb/mnist/), licensed CC BY-SA 3.0. The files in data/files/ are the
original IDX files, byte for byte, compressed by `gzip -9n`.
"""

import gzip
import hashlib
import os
import sys
import zlib
from collections.abc import Callable
from importlib.resources import files as package_files
from pathlib import Path
from typing import NamedTuple

from ddpm_lessons.data.digits import Digits
from ddpm_lessons.files import reason, write_whole

ENVIRONMENT = "DDPM_LESSONS_DATA"  # names the cache folder, if the argument `root` does not


class DataError(ValueError):
    """A data file that is damaged, missing or cannot be written; the message names the remedy."""


class DataFile(NamedTuple):
    """One raw IDX file of MNIST and what it must be."""

    name: str
    split: str  # "train" or "test"
    kind: str  # "images" or "labels"
    count: int
    size: int  # bytes
    sha256: str


class FileStatus(NamedTuple):
    """What was found where a data file should be."""

    file: DataFile
    place: str  # "package": compressed, comes with the library; or "cache": unpacked
    path: str
    state: str  # "verified", "missing" or "damaged"
    count: int  # images or labels found; file.count are expected
    detail: str  # the finding in words


FILES = (
    DataFile(
        "train-images-idx3-ubyte", "train", "images", 60_000, 47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    DataFile(
        "train-labels-idx1-ubyte", "train", "labels", 60_000, 60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    DataFile(
        "t10k-images-idx3-ubyte", "test", "images", 10_000, 7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    DataFile(
        "t10k-labels-idx1-ubyte", "test", "labels", 10_000, 10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)  # fmt: skip


def load_mnist(split: str = "train", *, root: str | os.PathLike[str] | None = None) -> Digits:
    """The handwritten digits of one split: 60,000 for "train", 10,000 for "test".

    root: the cache folder; by default the environment variable DDPM_LESSONS_DATA, else
    `ddpm_lessons` in the user's cache folder (see `cache_folder`). Missing files are unpacked
    there from the package; all four are verified each time (about 0.1 s).
    Returns Digits: images uint8 (N, 1, 28, 28), labels int64 (N,).
    Raises ValueError for another split, and DataError, a ValueError, for a file that is damaged
    or a folder that cannot be used: it names the file, what was found and expected, the remedy.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}, expected 'train' or 'test'")
    folder = cache_folder(root)
    for file in FILES:  # all four: torchvision wants them to exist, whichever split it reads
        _ensure(file, _raw(folder, file))
    _refuse_legacy(folder)

    from torchvision.datasets import MNIST  # here: it takes seconds that `import` must not cost

    data = MNIST(folder, train=split == "train", download=False)
    return Digits(data.data.unsqueeze(1), data.targets)  # (N, 28, 28) -> (N, 1, 28, 28)


def status(root: str | os.PathLike[str] | None = None) -> list[FileStatus]:
    """The state of each data file in the package and in the cache folder (see `cache_folder`).

    Reads and verifies all of them, about half a second, and writes nothing. A file that is missing
    in the cache is unpacked by the next `load_mnist`. A damaged file is reported, not raised.
    """
    folder = cache_folder(root)
    packed = [_in_package(file)[0] for file in FILES]
    return packed + [_in_cache(file, _raw(folder, file))[0] for file in FILES]


def cache_folder(root: str | os.PathLike[str] | None = None) -> Path:
    """Where the unpacked files live: `root`, else DDPM_LESSONS_DATA, else the user's cache folder.

    That is $XDG_CACHE_HOME/ddpm_lessons if the variable holds an absolute path, else by platform
    ~/.cache/ddpm_lessons, ~/Library/Caches/ddpm_lessons (macOS) or %LOCALAPPDATA%/ddpm_lessons
    (Windows). torchvision's layout lies below it: MNIST/raw/. Nothing is created.
    """
    if root is not None and (not isinstance(root, str | os.PathLike) or not str(root)):
        raise ValueError(f"root is {root!r}, expected a folder")
    chosen = root or os.environ.get(ENVIRONMENT)
    try:
        return Path(chosen).expanduser() if chosen else _user_cache() / "ddpm_lessons"
    except RuntimeError as error:  # no home folder
        raise DataError(f"no cache folder: {error}; set {ENVIRONMENT} to a folder") from error


def _user_cache() -> Path:
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():  # the XDG standard: a relative path is to be ignored
        return xdg
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / ".cache"


def _raw(folder: Path, file: DataFile) -> Path:
    return folder / "MNIST" / "raw" / file.name  # torchvision's layout


def _refuse_legacy(folder: Path) -> None:
    """torchvision prefers two files of its early versions to the ones that are verified here."""
    legacy = folder / "MNIST" / "processed"
    if all((legacy / name).exists() for name in ("training.pt", "test.pt")):
        raise DataError(
            f"{legacy}: files of an old torchvision, which would be read instead of the verified"
            f" ones; delete this folder, or set {ENVIRONMENT} to another cache folder"
        )


def _ensure(file: DataFile, path: Path) -> None:
    """Unpack the file if it is missing; raise DataError unless it is exactly the file expected."""
    found, _ = _in_cache(file, path)
    if found.state == "missing":
        _unpack(file, path)
    elif found.state == "damaged":
        raise DataError(
            f"{path}: {found.detail}; delete it and it will be unpacked again from the package,"
            f" or set {ENVIRONMENT} to a cache folder of your own"
        )


def _unpack(file: DataFile, path: Path) -> None:
    """Write the file that comes with the package: verified first, then whole or not at all."""
    packed, data = _in_package(file)
    if packed.state != "verified":
        remedy = "this installation of ddpm_lessons is damaged, install it again"
        raise DataError(f"{packed.path}: {packed.detail}; {remedy}")
    try:
        write_whole(path, data)
    except OSError as error:
        if _in_cache(file, path)[0].state == "verified":
            return  # another process was quicker; Windows does not replace a file that is open
        raise DataError(
            f"{path}: cannot be written {reason(error)};"
            f" set {ENVIRONMENT} to a folder that you may write to, with 60 MB of space"
        ) from error


def _in_cache(file: DataFile, path: Path) -> tuple[FileStatus, bytes]:
    return _inspect(file, "cache", path, path.read_bytes)


def _in_package(file: DataFile) -> tuple[FileStatus, bytes]:
    packed = package_files("ddpm_lessons.data").joinpath("files", f"{file.name}.gz")
    return _inspect(file, "package", packed, lambda: gzip.decompress(packed.read_bytes()))


def _inspect(
    file: DataFile, place: str, path: object, read: Callable[[], bytes]
) -> tuple[FileStatus, bytes]:
    """Read a file's raw content and compare it with what it must be; a failure is a finding."""
    data = b""
    try:
        data = read()
    except (FileNotFoundError, NotADirectoryError):
        state, count, detail = "missing", 0, "there is no such file"
    except (OSError, EOFError, zlib.error) as error:
        state, count, detail = "damaged", 0, f"cannot be read ({_brief(error)})"
    else:
        state, count, detail = _compare(file, data)
    return FileStatus(file, place, str(path), state, count, detail), data


def _brief(error: Exception) -> str:
    """The reason without the path, which the caller names."""
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"


def _compare(file: DataFile, data: bytes) -> tuple[str, int, str]:
    """State, number of items and finding for the raw content of a file."""
    header, item = (16, 28 * 28) if file.kind == "images" else (8, 1)  # bytes
    count = max(0, len(data) - header) // item
    found = f"found {count} {file.kind} in {len(data)} bytes"
    if len(data) != file.size:
        return "damaged", count, f"{found}, expected {file.count} in {file.size} bytes"
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        return "damaged", count, f"altered, found SHA-256 {digest}, expected {file.sha256}"
    return "verified", count, found
