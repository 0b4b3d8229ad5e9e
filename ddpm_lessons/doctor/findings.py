"""What the first minute looks at: Python, its packages, the machine, the course's own files.

Nothing but the standard library is imported before a check needs it: where PyTorch is missing, too
old or broken, the other checks must still speak. What a check raises, the report makes a line of.
"""

import builtins
import os
import platform
import re
import shutil
import sys
import sysconfig
import warnings
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from ddpm_lessons.doctor.probes import (
    OK,
    ROOT,
    Outcome,
    again,
    brief,
    call,
    environment,
    inside,
    install,
    installed,
    judge,
    load_torch,
    memory,
    needs_torch,
    note,
    ok,
    problem,
    room,
    size,
    there,
    wanted,
    within,
)

COURSE = "ddpm-lessons"
RUN = 100_000_000  # bytes: a training's checkpoint, the next one while it is written, the weights
DATA = 60_000_000  # bytes: MNIST, unpacked
MEMORY = 3_500_000_000  # bytes: what is sold as 4 GB
GET_TORCH = "https://pytorch.org/get-started/locally"


def check_python() -> Outcome:
    """Its version; and whether it is the one that `make lab` has made."""
    here, own = f"{platform.python_version()} at {sys.executable}", ROOT / ".venv"
    try:
        versions = metadata(COURSE)["Requires-Python"]
    except PackageNotFoundError:  # a clone that is not installed in this Python
        text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        versions = re.search(r'requires-python = "(.+)"', text)[1]
    # By hand, because an old Python may have nothing installed that could compare.
    low, high = sorted(tuple(map(int, v.split("."))) for v in re.findall(r"\d+\.\d+", versions))
    fits = low <= sys.version_info[:2] < high
    if own.is_dir() and not own.samefile(sys.prefix):
        say = note if fits and installed("torch") else problem
        remedy = f"start by make lab; in the course's folder write {inside(own)}, not {call()}"
        return say(f"{here}, which is not the one that make lab has made for the course", remedy)
    if not fits:
        newest = f"3.{high[1] - 1}"
        remedy = f"install Python {newest} from python.org; then, in the course's folder: make lab"
        return problem(
            f"{here}, expected 3.{low[1]} to {newest}", f"{remedy} PYTHON=python{newest}"
        )
    return ok(here)


def check_packages() -> Outcome:
    """What the library imports, in the ranges that it declares."""
    return judge(wanted(COURSE))


def check_torch() -> Outcome:
    """That PyTorch can be loaded, and that torchvision was built for it."""
    torch, error = load_torch()
    if torch is None:
        remedy = f"{call()} -m pip install --force-reinstall torch torchvision"
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            remedy = install()
        elif sys.platform == "win32":
            remedy = "install https://aka.ms/vs/17/release/vc_redist.x64.exe; if that changes "
            remedy += f"nothing: {call()} -m pip install --force-reinstall torch torchvision"
        return problem(f"cannot be loaded ({brief(error)})", remedy)
    pair = wanted("torchvision").get("torch", "")  # conda's names no release
    words = f"{torch.__version__}, with torchvision {version('torchvision')}"
    if not within(str(torch.__version__), pair):
        remedy = f"{call()} -m pip install --upgrade torch torchvision"
        return problem(f"{words}, which was built for torch {pair}: they are no pair", remedy)
    return ok(words)


def check_notebooks() -> Outcome:
    """What the lessons need to be opened and run, in the ranges that the course declares."""
    return judge(wanted(COURSE, "course"))


def check_sliders() -> Outcome:
    """That JupyterLab has the extension that makes ipywidgets move."""
    name = "jupyterlab_widgets"
    outcome = judge({name: wanted("ipywidgets").get(name, "")})
    if outcome.mark != OK:
        return outcome
    from jupyter_core.paths import jupyter_path

    places = jupyter_path("labextensions", "@jupyter-widgets", "jupyterlab-manager", "package.json")
    if not any(there(place) for place in places):
        remedy = f"{call()} -m pip install --force-reinstall {name}; then start JupyterLab again"
        return problem("JupyterLab lacks their extension, so no slider would appear", remedy)
    return ok(f"{outcome.found}, found by JupyterLab")


def check_kernel() -> Outcome:
    """That a notebook's kernel, python3, is this Python, and that JupyterLab is this one's."""
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("python3")
    program, (major, minor) = spec.argv[0], sys.version_info[:2]
    lab = ("python", f"python{major}", f"python{major}.{minor}")  # whichever runs JupyterLab
    if program not in lab and environment(program) != environment(sys.executable):
        remedy = f"{call()} -m ipykernel install --sys-prefix"  # writes it anew
        if not Path(spec.resource_dir).is_relative_to(sys.prefix):
            remedy = f"take that entry away: {call()} -m jupyter kernelspec remove python3"
        words = f"notebooks would run in another Python, {program}"
        return problem(f"{words}; {Path(spec.resource_dir) / 'kernel.json'} says so", remedy)
    jupyter = shutil.which("jupyter")
    own = Path(sysconfig.get_path("scripts")) / "jupyter"
    started = hasattr(builtins, "__IPYTHON__")  # in a notebook JupyterLab runs already
    if jupyter and not started and environment(jupyter) != environment(own):
        remedy = f"start it by make lab, or by {call()} -m jupyterlab, not by jupyter lab"
        return note(f"python3 is this Python, but {jupyter} is another one's JupyterLab", remedy)
    return ok("python3 is this Python")


def check_device() -> Outcome:
    """Where training would run, tried out, and whether bfloat16 is fast there."""
    torch = needs_torch()
    from ddpm_lessons.training import MixedPrecision

    with warnings.catch_warnings(record=True) as said:  # such as: the driver is too old
        warnings.simplefilter("always")
        cuda = torch.cuda.is_available()
    name = "cuda" if cuda else "mps" if torch.backends.mps.is_available() else "cpu"
    words = {"mps": "Apple GPU", "cpu": "CPU, which is enough"}.get(name, "CUDA")
    try:
        words = torch.cuda.get_device_name() if cuda else words
        torch.ones(1, device=name).add(1).item()
    except Exception as error:  # each backend has its own way to say no
        remedy = f"add --device cpu to the commands, or see {GET_TORCH} for a PyTorch that can"
        return problem(f"{words}, which this PyTorch cannot use ({brief(error)})", remedy)
    fast = MixedPrecision(name).enabled
    words += "; bfloat16 is " + ("fast here" if fast else "not fast here, float32 is used")
    if name == "cpu" and (said or shutil.which("nvidia-smi")):
        reason = f" ({brief(said[0].message)})" if said else ""
        remedy = f"the course needs no GPU; to use it in training, see {GET_TORCH}"
        return note(f"{words}; this PyTorch cannot use the NVIDIA GPU{reason}", remedy)
    return ok(words)


def check_memory() -> Outcome:
    """Memory, cores, and PyTorch's threads."""
    total, torch = memory(), load_torch()[0]
    allowed = getattr(os, "sched_getaffinity", lambda _pid: range(os.cpu_count() or 1))
    cores = len(allowed(0))
    words = f"{size(total)} of memory, CPU cores: {cores}"
    words += f", PyTorch's threads: {torch.get_num_threads()}" if torch else ""
    if total < MEMORY:
        remedy = "close other programs, and finished lessons: menu Kernel, Shut Down All Kernels"
        return note(f"{words}; little memory", remedy)
    if cores < 2:
        return note(words, "allow more time than the lessons say: they count on two cores")
    return ok(words)


def check_folder() -> Outcome:
    """That a training can leave its results in runs/, below the working folder."""
    remedy = "go to another folder with cd, or name one by train --out FOLDER"
    return room(Path.cwd(), RUN, remedy)


def check_cache() -> Outcome:
    """That the digits can be unpacked into the cache folder, unless they are there already."""
    needs_torch()
    from ddpm_lessons.data.mnist import ENVIRONMENT, FILES, cache_folder

    folder = cache_folder()
    if all(there(folder / "MNIST" / "raw" / file.name) for file in FILES):
        return ok(f"{folder}, where the digits are unpacked already")
    line = f"export {ENVIRONMENT}=FOLDER"
    if sys.platform == "win32":
        line = f"set {ENVIRONMENT}=FOLDER (in PowerShell: $env:{ENVIRONMENT} = 'FOLDER')"
    return room(folder, DATA, f"name a folder where you may write, and start again: {line}")


def check_data() -> Outcome:
    """That the digits are intact, those that came with the course and those unpacked."""
    needs_torch()
    from ddpm_lessons.data import status

    found = status()
    fine = {"package": ("verified",), "cache": ("verified", "missing")}
    broken = [one for one in found if one.state not in fine[one.place]]
    if broken:
        words = "; ".join(f"{one.path}: {one.detail}" for one in broken)
        if any(one.place == "package" for one in broken):
            return problem(words, again("ddpm_lessons/data/files"))
        return problem(words, "delete what is named; the next lesson unpacks it again")
    count = sum(one.count for one in found if one.place == "package" and one.file.kind == "images")
    fresh = any(one.state == "missing" for one in found)
    words = "intact; the first lesson unpacks them" if fresh else "intact and unpacked"
    return ok(f"{count:,} digits, {words}")


def check_weights() -> Outcome:
    """That every network that came with the course is intact."""
    needs_torch()
    from ddpm_lessons.models import PRETRAINED, CheckpointError, classifier, noisy_classifier
    from ddpm_lessons.models.storage import read_header

    folder, broken = classifier.SHIPPED.parent, []
    names = [*PRETRAINED.values(), classifier.SHIPPED.name, noisy_classifier.SHIPPED.name]
    for name in names:
        try:
            read_header(folder / name)
        except CheckpointError as error:
            broken.append(str(error))
    if broken:
        return problem("; ".join(broken), again("ddpm_lessons/models/weights"))
    return ok(f"{len(names)} networks, intact")


CHECKS = {
    "Python": check_python,
    "Packages": check_packages,
    "PyTorch": check_torch,
    "Notebooks": check_notebooks,
    "Sliders": check_sliders,
    "Kernel": check_kernel,
    "Device": check_device,
    "Memory": check_memory,
    "Working folder": check_folder,
    "Cache folder": check_cache,
    "Digits": check_data,
    "Networks": check_weights,
}
