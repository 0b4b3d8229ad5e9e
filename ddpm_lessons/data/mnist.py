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
import secrets
import sys
import zlib
from importlib.resources import files as package_files
from pathlib import Path
from typing import NamedTuple

from ddpm_lessons.data.digits import Digits

ENVIRONMENT = "DDPM_LESSONS_DATA"  # names the cache folder, if the argument `root` does not


class DataError(ValueError):
    """A data file that is damaged, missing or cannot be written; the message names the remedy."""


class DataFile(NamedTuple):
    """One raw IDX file of MNIST and what it must be."""

    name: str
    split: str
    kind: str
    count: int
    size: int
    sha256: str


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
    there from the package; the files of the split are verified each time.
    Returns Digits: images uint8 (N, 1, 28, 28), labels int64 (N,).
    Raises ValueError for another split, DataError (a ValueError) for a file that is damaged or a
    folder that cannot be used.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split: expected 'train' or 'test', got {split!r}")
    folder = cache_folder(root)
    _refuse_legacy(folder)
    for file in FILES:  # torchvision wants all four to exist, whichever split it reads
        if file.split == split:
            _verified_in_cache(file, _raw(folder) / file.name)
        elif not (_raw(folder) / file.name).exists():
            _unpack(file, _raw(folder) / file.name)

    from torchvision.datasets import MNIST  # here: half a second that `import` should not cost

    data = MNIST(folder, train=split == "train", download=False)
    return Digits(data.data.unsqueeze(1), data.targets)  # (N, 28, 28) -> (N, 1, 28, 28)


def cache_folder(root: str | os.PathLike[str] | None = None) -> Path:
    """Where the unpacked files live: `root`, else DDPM_LESSONS_DATA, else the user's cache folder.

    That is $XDG_CACHE_HOME/ddpm_lessons if the variable holds an absolute path, else by platform
    ~/.cache/ddpm_lessons, ~/Library/Caches/ddpm_lessons (macOS) or %LOCALAPPDATA%/ddpm_lessons
    (Windows). torchvision's layout lies below it: MNIST/raw/. Nothing is created.
    """
    if root is not None and (not isinstance(root, str | os.PathLike) or not str(root)):
        raise ValueError(f"root: expected a folder, got {root!r}")
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


def _raw(folder: Path) -> Path:
    return folder / "MNIST" / "raw"


def _refuse_legacy(folder: Path) -> None:
    """torchvision prefers these two files of its early versions to the ones verified here."""
    legacy = folder / "MNIST" / "processed"
    if all((legacy / name).exists() for name in ("training.pt", "test.pt")):
        raise DataError(
            f"{legacy}: files of an old torchvision, which would be read instead of the verified"
            f" ones; delete this folder, or set {ENVIRONMENT} to another cache folder"
        )


def _verified_in_cache(file: DataFile, path: Path) -> None:
    """Unpack the file if it is missing; raise DataError unless it is exactly the file expected."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        _unpack(file, path)
        return
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); {_remedy()}") from error
    fault = _fault(file, data)
    if fault:
        raise DataError(f"{path}: {fault}; {_remedy()}")


def _remedy() -> str:
    return (
        "delete it and it will be unpacked again from the package"
        f" (or set {ENVIRONMENT} to another cache folder)"
    )


def _fault(file: DataFile, data: bytes) -> str | None:
    """What is wrong with the content of a raw file, in words; None if it is the right one."""
    expected = f"expected {file.count} {file.kind} in {file.size} bytes"
    if not data:
        return f"the file is empty, {expected}"
    if len(data) != file.size:
        return f"found {_claims(file, data)}{len(data)} bytes, {expected}"
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        return f"the content was altered: found SHA-256 {digest}, expected {file.sha256}"
    return None


def _claims(file: DataFile, data: bytes) -> str:
    """What the IDX header (magic number, count: big-endian, 4 bytes each) says of itself."""
    magic = {"images": 0x803, "labels": 0x801}[file.kind]
    if len(data) < 8 or int.from_bytes(data[:4], "big") != magic:
        return "no IDX header and "
    return f"a header that names {int.from_bytes(data[4:8], 'big')} {file.kind}, and "


def _unpack(file: DataFile, path: Path) -> None:
    """Write the file that comes with the package, whole or not at all.

    The content is verified, written to a temporary name in the same folder, flushed to the disk
    and renamed. Two processes may do this at once: each renames a complete file.
    """
    data = _embedded(file)
    temporary = path.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:  # by the umask, so that a group can share it
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error});"
            f" set {ENVIRONMENT} to a folder that you may write to, with 60 MB of space"
        ) from error


def _embedded(file: DataFile) -> bytes:
    packed = package_files("ddpm_lessons.data").joinpath("files", f"{file.name}.gz")
    remedy = "the installation of ddpm_lessons is damaged, install it again"
    try:
        data = gzip.decompress(packed.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{packed}: cannot be unpacked ({error!r}); {remedy}") from error
    fault = _fault(file, data)
    if fault:
        raise DataError(f"{packed}: {fault}; {remedy}")
    return data
