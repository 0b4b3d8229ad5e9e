"""The script that measures the sliders runs, at the smallest size: no time is judged here."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
CODE = """
import pathlib, sys
sys.path.insert(0, sys.argv.pop(1))
import common, sliders
common.RESULTS = pathlib.Path(sys.argv.pop(1))
sliders.main()
"""


def test_the_latency_of_every_slider_is_measured(site, tmp_path):
    command = [sys.executable, "-c", CODE, str(BENCHMARKS), str(tmp_path)]
    command += ["--presses", "3", "--site", str(site)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False
    )  # a browser of its own
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "sliders-cpu.json").read_text("utf-8"))["rows"]
    assert len(rows) == 4
    for row in rows:
        assert 0 < row["median"] <= row["p95"]
        assert row["frames"] > 0
        assert row["name"] in result.stdout
    assert all(row["blank"] == 0 for row in rows if row["name"].startswith("player"))
