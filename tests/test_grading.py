"""Answers that do harm, each in a real worker: none gets through, none costs the others anything.

They are handed in one after the other, so that little has to start. Those that would pass if they
were not refused hold the right answer behind the attack.
"""

import socket
import sys
import tempfile
import textwrap
from pathlib import Path

import psutil
import pytest

import ddpm_lessons
from ddpm_lessons.grading import kernel
from ddpm_lessons.grading.grades import Answer, Grader
from ddpm_lessons.grading.nursery import starter
from ddpm_lessons.grading.process import Limits
from ddpm_lessons.kit.submissions import Piece

RIGHT = "c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar)**0.5 * eps"
INTERPRETERS = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
LIMITS = Limits(seconds=3, memory=1)


def piece(code: str, name: str = "01.jump", answer: str = "f") -> Piece:
    return Piece(name, textwrap.dedent(code), answer, 0)


def after(attack: str, *, first: str = "") -> str:
    """Code whose answer first attacks, and is then right. first: what runs before, once."""
    body = textwrap.indent(textwrap.dedent(attack).strip(), "    ")
    head = f"import os, pathlib, sys\n{textwrap.dedent(first).strip()}\n"
    return f"{head}def f(x_0, c, eps):\n{body}\n    return {RIGHT}\n"


# What is tried, by the words in which it is refused. OUT is a folder of the instructor's with a
# file `keep`, THEIRS another learner's notebook, HOME a file in the home folder, PORT a server's.
REFUSED = {
    "write": {
        "open": 'open("OUT/x", "w")',
        "append": 'open("OUT/keep", "a")',
        "pathlib": 'pathlib.Path("OUT/x").write_text("x")',
        "os.open": 'os.open("OUT/x", os.O_WRONLY | os.O_CREAT)',
        "relative": 'open(os.path.relpath("OUT/x"), "w")',
        "numpy": 'import numpy\nnumpy.save("OUT/x.npy", 1)',
        "tempfile": 'import tempfile\ntempfile.mkdtemp(dir="OUT")',
        "sqlite": 'import sqlite3\nsqlite3.connect("OUT/x")',
        "remove": 'os.remove("OUT/keep")',
        "rename": 'os.rename("OUT/keep", "here")',
        "rename there": 'open("x", "w").close()\nos.replace("x", "OUT/keep")',
        "mkdir": 'os.makedirs("OUT/a/b")',
        "chmod": 'os.chmod("OUT/keep", 0)',
        "truncate": 'os.truncate("OUT/keep", 0)',
        "link": 'os.symlink("OUT", "here")',
        "caught": 'try:\n    open("OUT/x", "w")\nexcept BaseException:\n    pass',
        "patched": 'os.path.realpath = os.path.abspath = lambda p: "x"\nopen("OUT/x", "w")',
        "in a thread": """
            import threading
            thread = threading.Thread(target=lambda: open("OUT/x", "w"))
            thread.start()
            thread.join()
        """,
    },
    "read": {
        "rmtree": 'import shutil\nshutil.rmtree("OUT")',  # it looks before it deletes
        "another's": 'open("THEIRS").read()',
        "another's, by os": 'os.open("THEIRS", os.O_RDONLY)',
        "folder": 'os.listdir(os.path.dirname("THEIRS"))',
        "home": 'open("HOME").read()',
        "check": 'open(os.path.join("PACKAGE", "checks", "lesson01.py")).read()',
        "grader's environment": 'open(f"/proc/{os.getppid()}/environ").read()',
    },
    "start another process": {
        "subprocess": 'import subprocess\nsubprocess.run(["true"])',
        "system": 'os.system("true")',
        "fork": "os.fork()",
        "multiprocessing": "import multiprocessing\nmultiprocessing.Process(target=print).start()",
        "interpreter": f"import {INTERPRETERS} as some\nsome.create()",
    },
    "send a signal": {"kill": "os.kill(os.getppid(), 9)"},
    "use the network": {
        "socket": 'import socket\nsocket.socket().connect(("127.0.0.1", PORT))',
        "urllib": 'import urllib.request\nurllib.request.urlopen("http://127.0.0.1:PORT")',
    },
    "reach into memory": {
        "dlopen": "import ctypes\nctypes.CDLL(None)",
        "string_at": "import ctypes\nctypes.string_at(0)",
        "collector": 'vars(sys)["mod" + "ules"]["gc"].get_objects()',
    },
    "lift its limits": {
        "setrlimit": "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
    },
}
ENDED = {
    "exit": ("exit()", "called exit()"),
    "sys.exit": ("sys.exit(0)", "called exit()"),
    "interrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    "lazy pages": ("import torch\ntorch.zeros(10 * 2**30)", "took more than 1 GB of memory"),
    "lists": (
        "rows = []\nwhile True:\n    rows.append([0.0] * 10**6)",
        "took more than 1 GB of memory",
    ),
    "os._exit": ("os._exit(0)", "ended its process (code 0)"),
    "segfault": ("import faulthandler\nfaulthandler._sigsegv()", "died (SIGSEGV)"),
    "disk": (
        """
            for n in range(10):
                open(str(n), "wb").truncate(60_000_000)
            while True:
                pass
        """,
        "filled its folder",
    ),
    "loop": ("while True:\n    pass", "took more than 3 s"),
    "flood": ("while True:\n    print('x' * 10**6)", "took more than 3 s"),
    "stubborn loop": (
        """
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        """,
        "took more than 3 s",
    ),
    "forgery": (
        """
            for n in range(3, 256):
                try:
                    os.write(n, b'{"end": 0, "trial": {}}' + bytes([10]))
                except OSError:
                    pass
        """,
        "wrote into the pipe of the results",
    ),
}
BOMB = """
    from multiprocessing.util import spawnv_passfds  # past the audit hook
    for _ in range(1000):
        spawnv_passfds(b"/bin/sleep", [b"sleep", b"60"], [])
"""
THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=[60]).start()"
NOT_PASSED = {
    "torch.save": after('import torch\ntorch.save({"a": 1}, "OUT/x.pt")'),
    "allclose": "import torch\ntorch.allclose = lambda *a, **k: True\nf = lambda x_0, c, eps: x_0",
    "checks": "from ddpm_lessons.checks import comparison\ncomparison.close = print\nf = abs",
    "bomb": after(BOMB),
    "large file": after('open("x", "wb").truncate(70_000_000)'),
    "stdin": after("assert sys.stdin.read()"),
    "environment": after('assert os.environ.get("SECRET_OF_THE_INSTRUCTOR")'),
}
# What stops these, where it is the kernel and no audit hook.
KERNEL = {"torch.save": "RuntimeError", "bomb": "PermissionError", "large file": "OSError"}
PASSED = {
    "own folder": after('open("x", "w").write("x")\nassert open("x").read()\nos.remove("x")'),
    "output": after("", first="for _ in range(50): print('x' * 10**6)"),
    "thread": after("", first=THREAD),
    "after the thread": after("import threading\nassert threading.active_count() == 1"),
}


class World:
    """What the attacks aim at, and the verdicts on them."""

    def __init__(self, folder: Path) -> None:
        self.others = psutil.Process().children(recursive=True)  # a browser of other tests
        self.out, self.home = folder / "instructor", folder / "home"
        self.keep, theirs = self.out / "keep", folder / "submissions" / "ada" / "x.ipynb"
        for file in (self.keep, self.home / "diary", theirs):
            file.parent.mkdir(parents=True)
            file.write_text("mine")
        self.before = self.keep.stat()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        targets = {"OUT": self.out, "THEIRS": theirs, "HOME": self.home / "diary"}
        targets |= {"PACKAGE": Path(ddpm_lessons.__file__).parent}
        targets |= {"PORT": self.server.getsockname()[1]}
        attacks = {name: after(code) for some in REFUSED.values() for name, code in some.items()}
        attacks |= NOT_PASSED | {"right": after("")} | PASSED
        attacks |= {name: after(code) for name, (code, _) in ENDED.items()}
        for name, target in targets.items():
            attacks = {key: code.replace(name, str(target)) for key, code in attacks.items()}
        answers = [Answer(piece(code), key) for key, code in attacks.items()]
        hidden = [folder / "submissions", self.home]
        with starter() as start:
            grader = Grader(start, None, LIMITS, hidden=hidden)
            found = grader.judged("mallory", answers)
        self.verdicts = {one.file: verdict for one, (verdict, _) in found.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_OF_THE_INSTRUCTOR", "x")
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        made = World(tmp_path_factory.mktemp("world"))
        made.left = list(Path(tempfile.tempdir).iterdir())
    yield made
    made.server.close()


@pytest.mark.parametrize(("words", "name"), [(w, n) for w, some in REFUSED.items() for n in some])
def test_what_is_refused_stops_the_exercise(world, words, name):
    outcome, message, _ = world.verdicts[name]
    assert (outcome, message[: len("tried to ") + len(words)]) == ("stopped", f"tried to {words}")


def test_a_refusal_names_the_place(world):
    assert world.verdicts["open"].message == f"tried to write {world.out / 'x'}"
    assert world.verdicts["home"].message == f"tried to read {world.home / 'diary'}"


@pytest.mark.parametrize("name", ENDED)
def test_what_takes_too_much_or_ends_is_stopped(world, name):
    assert world.verdicts[name][:2] == ("stopped", ENDED[name][1])


@pytest.mark.parametrize("name", NOT_PASSED)
def test_what_reaches_for_the_check_or_the_instructor_does_not_pass(world, name):
    if name in KERNEL and not kernel.landlock():
        pytest.skip("only the kernel keeps these")
    outcome, message, _ = world.verdicts[name]
    assert outcome == "failed"
    assert message.startswith(KERNEL.get(name, ""))


@pytest.mark.parametrize("name", ["right", *PASSED])
def test_the_others_pass_all_the_same(world, name):
    assert world.verdicts[name].outcome == "passed"


def test_nothing_of_the_instructors_has_changed(world):
    assert list(world.out.iterdir()) == [world.keep]
    assert world.keep.read_text() == "mine"
    after = world.keep.stat()
    assert (after.st_mode, after.st_mtime_ns) == (world.before.st_mode, world.before.st_mtime_ns)


def test_nobody_has_called(world):
    with pytest.raises(BlockingIOError):
        world.server.accept()


def test_no_process_and_no_folder_is_left(world):
    running = psutil.Process().children(recursive=True)
    assert not [process for process in running if process not in world.others]
    assert world.left == []
