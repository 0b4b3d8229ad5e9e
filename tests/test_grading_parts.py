"""The parts of the grader: the look at the code, answers as data, folders, tables, the kernel."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_lessons.checks.comparison import close
from ddpm_lessons.grading import ground, kernel, plain, watch
from ddpm_lessons.grading.honesty import suspicion
from ddpm_lessons.grading.learners import learners
from ddpm_lessons.grading.table import Row, as_csv, clean, defused, summary

landlock = pytest.mark.skipif(kernel.landlock() < 6, reason="this kernel has no such Landlock")
linux = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")

# --- honesty ---

CHECK = "from ddpm_lessons.checks import lesson01\n"
REACHING = {
    "solution": (CHECK, "lesson01.jump.solution"),
    "by a name": (f"{CHECK}own = lesson01.jump\n", "own.solution"),
    "in a function": (f"{CHECK}def f(*a):\n    return lesson01.jump.solution(*a)", "f"),
    "own numbers": (CHECK, 'lesson01.jump.asked_of("ada").solution'),
    "helper": (f"{CHECK}f = lesson01._jumps", "f"),
    "registry": ("from ddpm_lessons.checks.lesson01 import EXERCISES as e", 'e["jump"].solution'),
    "progress": ("from ddpm_lessons.checks.progress import all_exercises", "all_exercises()"),
    "star": ("from ddpm_lessons.checks.lesson01 import *\n", "jump"),
    "package": ("import ddpm_lessons as d\nf = d.checks.lesson01.jump", "f"),
    "whole name": (
        "import ddpm_lessons.checks.lesson01\nx = ddpm_lessons.checks.lesson01.jump",
        "x",
    ),
    "getattr": (CHECK, 'getattr(lesson01, "jump")'),
    "solutions": ("from ddpm_lessons.kit.solutions import solution_source as s\nx = s(1)", "x"),
    "by text": ('from builtins import exec as run\nrun("import ddpm_lessons.checks")', "f"),
    "file": ('f = open("ddpm_lessons/checks/lesson01.py").read()', "f"),
    "frames": ("import inspect\nf = inspect.currentframe()", "f"),
    "frames by sys": ("import sys\nf = sys._getframe().f_back", "f"),
    "collector": ("import gc\nf = gc.get_objects()", "f"),
    "importlib": ("from importlib import import_module as i\nf = i('x')", "f"),
    "__import__": ("f = __import__('x')", "f"),
    "globals": ("def f():\n    pass\nf = f.__globals__", "f"),
    "closure": ("f = (lambda: 1).__closure__[0].cell_contents", "f"),
}
FAIR = {
    "library": ("from ddpm_lessons import q_sample", "q_sample"),
    "the check itself": (f"{CHECK}f = 1\nlesson01.jump(f)", "f"),
    "import only": (f"{CHECK}import gc, inspect, sys\nf = 1", "f"),
    "another solution": ("from torch.linalg import lstsq\nf = lambda *a: lstsq(*a).solution", "f"),
    "modules of a network": ("f = [m for m in net.modules()]", "f"),
    "docstring": ('def f(x):\n    "as ddpm_lessons.checks wants it"\n    return x', "f"),
    "sys": ("import sys\nf = sys.float_info.max", "f"),
    "names alike": ("solution = 1\nEXERCISES = 2\nf = solution", "f"),
}  # fmt: skip


@pytest.mark.parametrize("name", REACHING)
def test_code_that_reaches_for_the_check_is_found(name):
    assert suspicion(*REACHING[name])


@pytest.mark.parametrize("name", FAIR)
def test_fair_code_is_let_through(name):
    assert suspicion(*FAIR[name]) == ""


def test_the_piece_that_is_shown_is_short():
    assert suspicion(CHECK, "lesson01.jump.solution") == "lesson01.jump.solution"
    assert len(suspicion(CHECK, f"lesson01.{'x' * 500}.solution")) == 80


# --- answers as data ---

VALUES = [
    None, ..., True, False, 3, -(2**62), 0.5, float("inf"), Fraction(1, 3), "text", "",
    range(9, 0, -2), [], (), np.arange(3.0)[::-1], np.float32(0.5),
    torch.arange(6).reshape(2, 3), torch.tensor(True), torch.tensor([[-1.06, 1e-9]]).double(),
    torch.zeros(0, 3), (1, [2, torch.tensor(3.0).double()]),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_a_plain_value_arrives_as_it_was(value):
    there = plain.from_plain(json.loads(json.dumps(plain.to_plain(value))))
    if isinstance(value, (torch.Tensor, np.ndarray)):
        assert type(there) is type(value)
        assert tuple(there.shape) == tuple(value.shape)
        assert there.tolist() == value.tolist()
    elif isinstance(value, np.generic):
        assert there == value.item()
    else:
        assert repr(there) == repr(value)


def test_nan_and_complex_numbers_arrive():
    assert np.isnan(plain.from_plain(json.loads(json.dumps(plain.to_plain(float("nan"))))))
    assert plain.from_plain(plain.to_plain(1 + 2j)) == 1 + 2j
    assert close(
        plain.from_plain(plain.to_plain(torch.ones(2, requires_grad=True) * 2)),
        torch.full((2,), 2),
        0,
    )


@pytest.mark.parametrize(
    "value",
    [object(), {"a": 1}, 10**400, range(10**15), torch.zeros(10**6), [0] * 10**6, b"x", print],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_all_others_arrive_as_words(value):
    coded = plain.to_plain(value)
    assert coded[0] == "other"
    assert len(coded[1]) <= plain.TEXT
    assert not close(plain.from_plain(coded), 1.0, 0)


def test_what_cannot_be_shown_is_named():
    class Hostile:
        def __repr__(self):
            raise SystemError

    assert plain.to_plain(Hostile()) == ["other", "a Hostile"]


def test_a_list_in_itself_ends():
    endless = []
    endless.append(endless)
    assert plain.to_plain(endless)[0] in ("list", "other")


@pytest.mark.parametrize(
    "coded",
    [
        None, 1, [], ["what"], ["int", "1"], ["int", []], ["float"], ["range", 0, 10**12, 1],
        ["range", 0, 1, 0], ["fraction", 1, 0], ["text", 1], ["list", 1],
        ["tensor", "f", [2], [1.0]], ["tensor", "x", [1], [1.0]], ["tensor", "f", [1], [["a"]]],
        ["tensor", "i", [1], [2**70]], ["list", [["int", 1]] * 30_000],
    ],
    ids=lambda coded: str(coded)[:30],
)  # fmt: skip
def test_what_nobody_encoded_is_refused(coded):
    with pytest.raises(ValueError, match="answer"):
        plain.from_plain(coded)


# --- who has handed in what ---


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_learners_are_folders_or_stand_before_the_lesson(tmp_path):
    ada = [
        put(tmp_path / "ada" / "01_forward_process.ipynb"),
        put(tmp_path / "ada" / "b" / "x.ipynb"),
    ]
    single = put(tmp_path / "ada_02_reverse_process.ipynb")
    emmy, sofya = put(tmp_path / "emmy.ipynb"), put(tmp_path / "Sofya K 06_sampling.ipynb")
    for hidden in (
        ".git/x.ipynb",
        "ada/.ipynb_checkpoints/x.ipynb",
        "ada/._x.ipynb",
        "ada/notes.txt",
    ):
        put(tmp_path / hidden)
    put(tmp_path / "grades.csv")
    (tmp_path / "mary").mkdir()
    found = {one.name: one.notebooks for one in learners(tmp_path)}
    assert found == {"Sofya K": [sofya], "ada": [*ada, single], "emmy": [emmy], "mary": []}


@linux
def test_a_name_that_is_no_text_is_shown_as_far_as_it_is_one(tmp_path):
    put(tmp_path / os.fsdecode(b"a\xff") / "x.ipynb")
    assert [one.name for one in learners(tmp_path)] == ["a?"]


def test_links_are_not_followed(tmp_path):
    put(tmp_path / "ada" / "x.ipynb")
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "y.ipynb").symlink_to(tmp_path / "ada" / "x.ipynb")
    (tmp_path / "bob" / "all").symlink_to(tmp_path / "ada")
    (tmp_path / "eve").symlink_to(tmp_path / "ada")
    _, bob, eve = learners(tmp_path)
    assert bob.notebooks == eve.notebooks == []
    assert [words.split()[0] for words in bob.problems] == ["bob/all", "bob/y.ipynb"]
    assert eve.problems == ["eve is a link, and links are not followed"]


def test_a_folder_without_learners_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no notebook in"):
        learners(tmp_path)
    with pytest.raises(ValueError, match=r"FOLDER is '.*nowhere', and there is no such folder"):
        learners(tmp_path / "nowhere")


# --- the table ---


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r\n=", "＝", "  ="])
def test_no_cell_is_a_formula(start):
    assert defused(f"{start}1+1").startswith("'")
    assert defused(f"x {start}") == clean(f"x {start}")


def test_nothing_steers_the_terminal_or_hides():
    assert clean("a\x1b[31mb\r\nc\u202ed\u200be\ud800f\x00") == "a[31mb cdef"
    assert len(clean("x" * 10_000)) == 500


def test_the_csv_reads_back_in_spreadsheets():
    rows = [
        Row("ada", "01.jump", 'T "1", · x', "passed", "=1\n+2", 0.26),
        Row("ö", "", "", "stopped", ""),
    ]
    data = as_csv(rows)
    assert data.startswith(b"\xef\xbb\xbf")
    found = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    assert found[0] == ["learner", "exercise", "title", "outcome", "diagnosis", "seconds"]
    assert found[1] == ["ada", "01.jump", 'T "1", · x', "passed", "'=1 +2", "0.3"]
    assert found[2] == ["ö", "", "", "stopped", "", "0.0"]


def test_the_summary_counts_an_exercise_once():
    rows = [
        Row("ada", "01.jump", "", "failed", ""), Row("ada", "01.jump", "", "passed", ""),
        Row("ada", "01.one_step", "", "stopped", "tried to write x"),
        Row("ada", "", "", "stopped", "no notebook"),
        Row("\x1bbob", "01.jump", "", "not attempted", ""),
    ]  # fmt: skip
    _, ada, bob = summary(rows).splitlines()
    assert ada.split(maxsplit=4) == [
        "ada",
        "1",
        "of",
        "2",
        "01.one_step tried to write x; no notebook",
    ]
    assert bob.split() == ["bob", "0", "of", "1"]


# --- where a worker may go ---


def test_the_inner_folder_counts(tmp_path):
    folder, home = tmp_path / "home" / "tmp" / "w", tmp_path / "home"
    one = ground.ground(folder, [home])
    longest = (
        ground.depth(str(folder / "x"), one.readable),
        ground.depth(str(folder / "x"), one.hidden),
    )
    assert longest[0] > longest[1] > 0
    checks = str(ground.PACKAGE / "checks" / "lesson01.py")
    assert ground.depth(checks, one.hidden) > ground.depth(checks, one.readable) > 0
    library = str(Path(torch.__file__))
    assert ground.depth(library, one.readable) > ground.depth(library, one.hidden)
    assert ground.depth("/ab", ["/a"]) == -1
    assert ground.depth("/a", ["/a"]) == ground.depth("/a/b", ["/a"]) == 2
    assert ground.depth("/a", ["/"]) == 1


def test_the_environment_of_a_worker_is_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("TOKEN_OF_MINE", "x")
    given = watch.environment(tmp_path)
    assert "TOKEN_OF_MINE" not in given
    assert given["HOME"] == given["TMPDIR"] == str(tmp_path)


# --- the kernel: without Python's audit hook before it ---

TRIES = """
import importlib.util, os, socket, sys, threading
spec = importlib.util.spec_from_file_location("kernel", {kernel!r})
kernel = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kernel)
allowed, folder, port = {allowed!r}, {folder!r}, {port}
files, processes = {files}, {processes}
assert not files or kernel.close_files([allowed, "/usr", "/lib", "/lib64"], folder)
assert not processes or kernel.close_processes()

def works(action):
    try:
        action()
    except (OSError, RuntimeError):
        return False
    return True

def fork():
    if os.fork() == 0:
        os._exit(0)

there = lambda name: os.path.join({outside!r}, name)
here = lambda name: os.path.join(folder, name)
print({{
    "read": works(lambda: open(there("keep")).read()),
    "write": works(lambda: open(there("x"), "w")),
    "remove": works(lambda: os.remove(there("gone"))),
    "truncate": works(lambda: os.truncate(there("cut"), 0)),
    "read allowed": works(lambda: open(os.path.join(allowed, "keep")).read()),
    "write allowed": works(lambda: open(os.path.join(allowed, "keep"), "a")),
    "write here": works(lambda: open(here("x"), "w")),
    "device": works(lambda: os.mknod(here("device"), 0o60600, os.makedev(8, 0))),
    "signal": works(lambda: os.kill(os.getppid(), 0)),
    "connect": works(lambda: socket.create_connection(("127.0.0.1", port))),
    "local socket": works(lambda: socket.socket(socket.AF_UNIX)),
    "thread": works(lambda: threading.Thread(target=print).start()),
    "fork": works(fork),
    "program": works(lambda: os.posix_spawn("/bin/true", ["true"], {{}})),
}})
"""


def tries(tmp_path: Path, *, files: bool, processes: bool) -> dict[str, bool]:
    """What a process with some of the kernel's walls can do."""
    for name in ("outside", "allowed", "here"):
        (tmp_path / name).mkdir()
        for file in ("keep", "gone", "cut"):
            (tmp_path / name / file).write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = TRIES.format(
            kernel=kernel.__file__,
            allowed=str(tmp_path / "allowed"),
            folder=str(tmp_path / "here"),
            outside=str(tmp_path / "outside"),
            port=server.getsockname()[1],
            files=files,
            processes=processes,
        )
        run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return eval(run.stdout.strip().splitlines()[-1])


@linux
def test_without_walls_all_of_that_works(tmp_path):
    done = tries(tmp_path, files=False, processes=False)
    device = done.pop("device")  # only root makes one
    assert all(done.values())
    assert not device or Path("/").stat().st_uid == 0


@landlock
def test_landlock_keeps_files_signals_and_connections(tmp_path):
    done = tries(tmp_path, files=True, processes=False)
    inside = {"read allowed", "write here", "local socket", "thread", "fork"}
    assert {name for name, worked in done.items() if worked} == inside
    assert sorted(path.name for path in (tmp_path / "outside").iterdir()) == ["cut", "gone", "keep"]


@linux
def test_seccomp_keeps_processes_and_sockets(tmp_path):
    done = tries(tmp_path, files=False, processes=True)
    kept = {"connect", "local socket", "fork", "program"}
    assert kept <= {name for name, worked in done.items() if not worked}
    assert done["thread"]
    assert done["write"]
