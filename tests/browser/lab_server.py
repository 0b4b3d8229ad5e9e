"""A JupyterLab with fresh settings on the loopback, and the Chromium that drives it."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SETTINGS = {  # no news, no pop-ups, no automatic saving while a test looks
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
    # All cells of a long notebook are there, and keep their numbers.
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
}


class Lab(NamedTuple):
    """A running JupyterLab."""

    address: str
    token: str
    folder: Path  # what it serves
    environment: dict[str, str]  # in which `python -m nbformat.sign` trusts notebooks for it


def find_chromium() -> str | None:
    """Where Chromium is on this machine, or where CHROMIUM says that it is; None if nowhere."""
    named = os.environ.get("CHROMIUM", "")
    return next(filter(None, map(shutil.which, (named, *CHROMIUM_NAMES))), None)


@contextlib.contextmanager
def headless(chromium: str) -> Iterator[object]:
    """Headless Chromium for as long as the block lasts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium, args=list(CHROMIUM_ARGUMENTS)
        )
        yield running
        running.close()


@contextlib.contextmanager
def jupyterlab(home: Path) -> Iterator[Lab]:
    """JupyterLab for as long as the block lasts: bound to the loopback, with its token on, and all
    its files in the folder `home`. Raises RuntimeError if it does not start.
    """
    folder = home / "notebooks"
    folder.mkdir()
    for name, values in SETTINGS.items():
        path = home / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    token, port = secrets.token_hex(16), _free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True", "--KernelManager.transport_encryption=auto",
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with (home / "log.txt").open("w") as log:
        environment = _environment(home, token)
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        running = Lab(f"http://127.0.0.1:{port}", token, folder, environment)
        _wait_for(running, server, home / "log.txt")
        yield running
    finally:
        server.terminate()  # it ends its kernels, too
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(15)
        server.kill()


def _environment(home: Path, token: str) -> dict[str, str]:
    """The tests' environment, without this user's Jupyter settings and kernels."""
    return os.environ | {
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(lab: Lab, server: subprocess.Popen, log: Path) -> None:
    for _ in range(300):
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{lab.address}/api?token={lab.token}", timeout=5)
            return
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")
