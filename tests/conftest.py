"""What every test runs under: no network, no window, nothing of the user's own."""

import os
import re
import socket
import tempfile

import hypothesis
import pytest

# Notebooks and subprocesses inherit these.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["DDPM_LESSONS_RECORD"] = "off"  # what a test solves, nobody has learnt

hypothesis.settings.register_profile("house", deadline=None, derandomize=True)
hypothesis.settings.load_profile("house")

LONG = re.compile(r"notebooks/|tests/browser/|test_(mutations|cli_latent|benchmarks|training_proc)")
LOOPBACK = ("127.", "::1", "localhost")


def pytest_configure(config: pytest.Config) -> None:
    """Unpack the data set for this run alone, so that no test leans on the user's cache."""
    if "DDPM_LESSONS_DATA" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="ddpm-lessons-")
        os.environ["DDPM_LESSONS_DATA"] = folder.name
        config.add_cleanup(folder.cleanup)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first: of two processes that share them, neither ends alone."""
    items.sort(key=lambda item: not LONG.search(item.nodeid))  # a stable order otherwise


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Sums in one order, bit for bit; and these networks are too small to share anyway."""
    import torch  # here: a run of notebooks alone needs it late

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def _no_network():
    """The course runs on a plane: a test that reaches beyond this machine fails."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"  # a path: a local socket
        if not str(host).startswith(LOOPBACK):
            raise OSError(f"a test tried to reach {host}; the course must work without a network")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield
