"""The command `doctor`, with PyTorch and without, and what the other commands say to a beginner
whose disk is full, or whose folder belongs to somebody else.
"""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ddpm_lessons
from ddpm_lessons import doctor
from ddpm_lessons.cli import main
from ddpm_lessons.data import DataError, load_mnist, mnist, status
from ddpm_lessons.doctor import Finding, Report
from ddpm_lessons.files import ADVICE, reason
from ddpm_lessons.models.storage import CheckpointError, write_atomically

PACKAGE = Path(ddpm_lessons.__file__).parent


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """An empty folder, as a newcomer has it."""
    monkeypatch.chdir(tmp_path)


# --- doctor ---


def test_the_report_is_printed_and_a_problem_gives_code_1(monkeypatch, capsys):
    lines = [Finding("Python", "ok", "3.11.7"), Finding("Kernel", "note", "another's", "mend it")]
    monkeypatch.setattr(doctor, "report", lambda: Report(lines))
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert said == f"{Report(lines)}\n"
    assert doctor.READY in said
    lines.append(Finding("Sliders", "problem", "missing", "pip"))
    assert main(["doctor"]) == 1
    assert doctor.NOT_READY in capsys.readouterr().out


def test_a_terminal_that_lacks_a_letter_gets_it_spelt(monkeypatch):
    shown = io.BytesIO()
    monkeypatch.setattr(doctor, "report", lambda: Report([Finding("Folder", "ok", "Übung ✓")]))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="cp1252"))
    assert main(["doctor"]) == 0
    sys.stdout.flush()
    assert "Folder  Übung \\u2713" in shown.getvalue().decode("cp1252")


MISSING = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
BROKEN = "raise OSError('libtorch_cpu.so: cannot open shared object file')"
TOO_OLD = "__version__ = '1.4.0'"  # and none of what the library imports from it


def without_torch(tmp_path: Path, torch: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run `python ddpm_lessons ...`, the folder, where `import torch` runs that line."""
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "torch.py").write_text(torch + "\n")
    command = [sys.executable, str(PACKAGE), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(fake)}
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, encoding="utf-8", check=False
    )


@pytest.mark.parametrize(
    ("torch", "said"),
    [
        (MISSING, "cannot be loaded (ModuleNotFoundError: No module named 'torch')"),
        (BROKEN, "cannot be loaded (OSError: libtorch_cpu.so: cannot open shared object file)"),
        (TOO_OLD, "1.4.0, with torchvision"),
    ],
)
def test_without_pytorch_the_doctor_still_reports(tmp_path, torch, said):
    result = without_torch(tmp_path, torch, "doctor")
    assert result.returncode == 1, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert len([line for line in lines if line.startswith(("ok ", "note ", "problem "))]) == 12
    (line,) = (line for line in lines if line[9:].startswith("PyTorch "))
    assert said in line
    assert "pip install" in lines[lines.index(line) + 1]
    assert "Traceback" not in result.stdout


def test_without_pytorch_another_command_names_the_doctor(tmp_path):
    result = without_torch(tmp_path, MISSING, "train")
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "cannot be loaded (ModuleNotFoundError: No module named 'torch')" in line
    assert f"`{sys.executable} {PACKAGE} doctor`" in line


def test_the_folder_can_be_run_as_the_module_can():
    command = [sys.executable, str(PACKAGE), "sample", "--n", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 2
    assert "--n/--samples: is '0'" in result.stderr


# --- no right, no space: what the other commands say ---

TRAIN = ["train", "--preset", "tiny", "--device", "cpu", "--out", "mine"]


def refuse(monkeypatch, target: str, code: int) -> None:
    """Let that function fail, as it does on a full or a forbidden disk."""

    def fail(*arguments, **_options):
        named = [str(a) for a in arguments if isinstance(a, Path)]
        raise OSError(code, os.strerror(code), *named[:1])

    monkeypatch.setattr(target, fail)


def last_line(capsys) -> str:
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "Errno" not in err
    assert ".part" not in err  # a temporary file's name helps nobody
    return err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("target", "code", "advice"),
    [
        ("pathlib.Path.mkdir", errno.EACCES, "choose a folder of your own"),
        ("pathlib.Path.open", errno.EACCES, "choose a folder of your own"),
        ("pathlib.Path.open", errno.EROFS, "choose a folder on another"),
        ("os.fsync", errno.ENOSPC, "the disk is full, so make room"),
    ],
)
def test_a_training_that_cannot_write_says_why_at_once(monkeypatch, capsys, target, code, advice):
    digits = load_mnist("train")  # reading opens files as well
    monkeypatch.setattr("ddpm_lessons.cli.dataset.load_mnist", lambda _split: digits)
    refuse(monkeypatch, target, code)
    assert main(TRAIN) == 2
    said = last_line(capsys).replace("\\", "/")
    start = "python -m ddpm_lessons train: mine/checkpoint.safetensors: cannot be written"
    assert said.startswith(f"{start} ({os.strerror(code)}): ")
    assert advice in said
    assert "untouched" not in said  # there was no older one


def test_a_disk_that_fills_up_later_leaves_the_last_checkpoint(monkeypatch, capsys):
    assert main(TRAIN) == 0
    before = Path("mine/checkpoint.safetensors").read_bytes()
    refuse(monkeypatch, "os.fsync", errno.ENOSPC)
    assert main(["train", "--resume", "--out", "mine", "--device", "cpu"]) == 2
    assert last_line(capsys).endswith("; the older file of that name is untouched")
    assert Path("mine/checkpoint.safetensors").read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_log_on_a_full_disk_says_so(capsys):
    """Python's own error names no file then."""
    Path("mine").mkdir()
    Path("mine/log.csv").symlink_to("/dev/full")
    assert main(TRAIN) == 2
    said = last_line(capsys)
    assert said.startswith("python -m ddpm_lessons train: a file (No space left on device): the ")
    assert Path("mine/checkpoint.safetensors").exists()


def test_an_error_that_names_its_file_is_told_with_it(monkeypatch, capsys):
    refuse(monkeypatch, "pathlib.Path.write_text", errno.EACCES)
    assert main(TRAIN) == 2
    said = last_line(capsys).replace("\\", "/")
    assert "train: mine/log.csv (Permission denied): you have no right to do so, choose" in said


def test_samples_on_a_full_disk(monkeypatch, capsys):
    refuse(monkeypatch, "os.fsync", errno.ENOSPC)
    options = ["--n", "1", "--sampler", "ddim", "--steps", "1", "--device", "cpu"]
    assert main(["sample", *options]) == 2
    said = last_line(capsys)
    assert "samples.png: cannot be written (No space left on device): the disk is full" in said


@pytest.mark.parametrize(("target", "code"), [("pathlib.Path.mkdir", errno.EACCES),
                                              ("os.fsync", errno.ENOSPC)])  # fmt: skip
def test_digits_that_cannot_be_unpacked(monkeypatch, tmp_path, capsys, target, code):
    monkeypatch.setenv(mnist.ENVIRONMENT, str(tmp_path / "cache"))
    refuse(monkeypatch, target, code)
    assert main(TRAIN) == 2
    said = last_line(capsys)
    path = tmp_path / "cache" / "MNIST" / "raw" / mnist.FILES[0].name
    assert f"train: {path}: cannot be written ({os.strerror(code)}): " in said
    assert said.endswith(
        "; set DDPM_LESSONS_DATA to a folder that you may write to, with 60 MB of space"
    )


def test_digits_of_somebody_else_cannot_be_read(monkeypatch, tmp_path):
    path = tmp_path / "MNIST" / "raw" / mnist.FILES[0].name
    path.parent.mkdir(parents=True)
    path.touch()
    read = Path.read_bytes

    def forbidden(self):
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(DataError) as caught:
        load_mnist(root=tmp_path)
    assert str(caught.value).startswith(f"{path}: cannot be read (Permission denied); delete it")
    found = [one for one in status(tmp_path) if one.path == str(path)]
    assert [one.detail for one in found] == ["cannot be read (Permission denied)"]


def test_what_is_written_below_a_file(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file" / "w.bin", tmp_path / "file" / "more" / "w.bin"):
        with pytest.raises(CheckpointError) as caught:
            write_atomically(path, b"")
        assert str(caught.value).startswith(f"{path}: cannot be written (")
        assert "a file stands where a folder is needed" in str(caught.value)


def test_every_reason_is_one_of_this_system_or_none():
    for name, advice in ADVICE.items():
        code = getattr(errno, name)
        assert reason(OSError(code, os.strerror(code))) == f"({os.strerror(code)}): {advice}"
    assert reason(OSError(errno.EIO, "Input/output error")) == "(Input/output error)"
    assert reason(OSError("without a number")) == "(without a number)"
