"""What the tests in a browser share: Chromium, a real JupyterLab, and the site."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lab_server
import pytest
from filelock import FileLock
from lab_server import Lab, headless, jupyterlab

WEBSITE = Path(__file__).resolve().parents[2] / "website"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The Chromium on this machine, or where CHROMIUM says that it is."""
    return find_chromium()


def find_chromium() -> str:
    """Where Chromium is. One that is missing skips the test; where CI is set, it fails it."""
    found = lab_server.find_chromium()
    if found is None:
        names, named = ", ".join(lab_server.CHROMIUM_NAMES), os.environ.get("CHROMIUM", "")
        missing(f"no Chromium: none of {names} on PATH, CHROMIUM={named!r}", "install one")
    return found


def missing(what: str, remedy: str) -> None:
    """Skip the test for want of something; where CI is set, fail it."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(f"{what}; {remedy} to test the pages and sliders")


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder of node_modules with the packages of website/package.json, or where
    DDPM_LESSONS_NPM says that it is. One that is missing skips the test; where CI is set, it fails.
    """
    folder = Path(os.environ.get("DDPM_LESSONS_NPM") or Path(sys.prefix) / "npm").resolve()
    if not (folder / "node_modules" / "axe-core").is_dir():
        missing(f"{folder} lacks the packages of website/package.json", "install npm")
    return folder


@pytest.fixture(scope="session")
def site(npm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built once, also where several processes share the tests."""
    own = tmp_path_factory.getbasetemp()
    out = (own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own) / "the-site"
    command = [sys.executable, str(WEBSITE / "build.py"), "--npm", str(npm), "--out", str(out)]
    with FileLock(f"{out}.lock"):
        if not (out / "draw" / "index.html").exists():  # the last page to be built
            subprocess.run([*command, "--repository", "someone/ddpm-lessons"], check=True)
    return out


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Lab]:
    """JupyterLab with fresh settings."""
    with jupyterlab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[object]:
    """Headless Chromium."""
    with headless(chromium) as running:
        yield running
