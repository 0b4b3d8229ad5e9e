"""A file is written whole or not at all."""

import os
from pathlib import Path

import pytest

from ddpm_lessons.files import write_whole


def test_a_file_holds_what_was_written_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    for data in (b"first", b"", b"\x00\xff" * 100_000):
        write_whole(str(path), data)
        assert path.read_bytes() == data
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("target", [(os, "fsync"), (Path, "replace"), (Path, "open")])
def test_a_failure_leaves_the_older_file_and_no_other(tmp_path, monkeypatch, target):
    """Killed or full in the middle of a save: the only good copy must survive it."""
    path = tmp_path / "file.bin"
    write_whole(path, b"old")

    def fail(*arguments, **options):
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(*target, fail)
        with pytest.raises(OSError, match="no space"):
            write_whole(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_data_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    """Renamed before it is flushed, a file may be empty after a power cut."""
    calls = []
    flush, rename = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("flush"), flush(handle)))
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (calls.append("rename"), rename(self, to))
    )
    write_whole(tmp_path / "file.bin", b"data")
    assert calls == ["flush", "rename"]


def test_the_rights_are_those_of_the_umask(tmp_path):
    path, other = tmp_path / "file.bin", tmp_path / "other.bin"
    write_whole(path, b"data")
    other.write_bytes(b"data")
    assert path.stat().st_mode == other.stat().st_mode
