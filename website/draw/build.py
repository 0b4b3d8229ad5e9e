"""Build the page that draws: its scripts, the networks, and the numbers that it reads."""

import gzip
import json
import shutil
from pathlib import Path

from frame import fill, framed

from ddpm_lessons import show
from ddpm_lessons.data import load_mnist
from ddpm_lessons.models import load_pretrained
from draw.export import NETWORK, network, reader

HERE = Path(__file__).resolve().parent
SHARED = [Path(show.__file__).parent / name for name in ("drawing.mjs", "pad.mjs")]  # lesson 12
RUNTIME = "node_modules/onnxruntime-web/dist"
SCRIPT, MACHINE = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"  # of the runtime
LOADED = {  # what the first digit loads
    "runtime": f"{MACHINE}.gz",
    "network": "network.onnx",
    "reader": "reader.onnx",
}
LADDER = range(100, 1001, 100)  # the t from which the page denoises, all at once
HEAD = """<link rel="stylesheet" href="draw.css">
<script>
if (location.protocol === "file:") document.documentElement.classList.add("from-file");
else {
  const module = { type: "module", src: "draw.mjs" };
  document.head.append(Object.assign(document.createElement("script"), module));
}
</script>"""  # from a disk no module could be loaded; then the page says what to do


def build(out: Path, npm: Path) -> None:
    """Write draw/index.html into the site `out`, and everything that it loads beside it.

    npm: the folder of node_modules, with onnxruntime-web.
    """
    folder = out / "draw"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*HERE.glob("*.mjs"), *SHARED, HERE / "draw.css"):
        shutil.copy(path, folder / path.name)
    shutil.copy(npm / RUNTIME / SCRIPT, folder / SCRIPT)
    # A quarter of the size, and not every server compresses by itself: the page unpacks it.
    packed = gzip.compress((npm / RUNTIME / MACHINE).read_bytes(), mtime=0)
    (folder / LOADED["runtime"]).write_bytes(packed)
    (folder / LOADED["network"]).write_bytes(network())
    (folder / LOADED["reader"]).write_bytes(reader())
    numbers = numbers_of(folder)
    (folder / "numbers.json").write_text(json.dumps(numbers, separators=(",", ":")), "utf-8")
    (folder / "index.html").write_text(page(numbers), "utf-8")


def numbers_of(folder: Path) -> dict:
    """What the page reads at its start: the schedule, a test digit of each kind, sizes of files."""
    _, schedule, _ = load_pretrained(NETWORK)
    digits = load_mnist("test")
    first = [digits.labels.tolist().index(label) for label in range(10)]
    return {
        "alpha_bars": schedule.alpha_bars.tolist(),
        "examples": [
            {"label": label, "image": digits.images[i].flatten().tolist()}
            for label, i in enumerate(first)
        ],
        "files": {
            role: {"name": name, "bytes": (folder / name).stat().st_size}
            for role, name in LOADED.items()
        },
    }


def page(numbers: dict) -> str:
    """The page itself."""
    size = {role: file["bytes"] / 1e6 for role, file in numbers["files"].items()}
    body = fill(
        "draw/draw.html.j2",
        T=len(numbers["alpha_bars"]) - 1,
        examples=[example["label"] for example in numbers["examples"]],
        ladder=list(LADDER),
        megabytes={
            "total": f"{sum(size.values()):.1f}",
            "networks": f"{size['network'] + size['reader']:.1f}",
            "runtime": f"{size['runtime']:.1f}",
        },
    )
    return framed(
        body,
        title="Draw in your browser · Diffusion models, from the first pixel",
        about="A diffusion model draws digits in this page, and goes on with yours.",
        place="draw/index.html",
        kind="draw",
        head=HEAD,
    )
