"""The tests see what they are there for: bugs of public implementations, planted one at a time."""

import re
import subprocess
import sys
from pathlib import Path

import mutations
import pytest

TESTS = Path(__file__).resolve().parent


def test_every_planted_bug_is_caught():
    """A minute of one core; `python tests/mutations.py` shows which test catches which bug."""
    command = [sys.executable, str(TESTS / "mutations.py")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(mutations.BUGS)} of {len(mutations.BUGS)} bugs caught" in result.stdout


def test_there_are_many_different_bugs():
    assert len({planted.name for planted in mutations.BUGS}) == len(mutations.BUGS) >= 20
    assert len({(planted.file, planted.edits) for planted in mutations.BUGS}) == len(mutations.BUGS)


def test_a_change_that_is_no_bug_survives():
    """Otherwise "caught" would say nothing."""
    code = (
        "import mutations as m; edit = ('the mean itself where', 'only the mean where');"
        "print(m.try_bug(m.bug('harmless', '', 'gaussian', edit, tests='article_numbers')))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=TESTS, check=True)
    assert result.stdout.strip() == "Outcome(caught_by='', trouble='')"


@pytest.mark.parametrize("old", ["no such text", "self"])
def test_a_patch_that_does_not_fit_is_an_error(tmp_path, old):
    broken = mutations.bug("outdated", "", "gaussian", (old, "x"))
    with pytest.raises(ValueError, match=re.escape(f"gaussian.py has {old!r}")):
        mutations.plant(broken, tmp_path)
    assert mutations.try_bug(broken).trouble.endswith("times, expected once")
