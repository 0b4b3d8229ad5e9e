"""The evaluation's numbers in words: Markdown for people, JSON for programs."""

import json
from collections.abc import Sequence

from ddpm_lessons.evaluation import BitsPerDim, Estimate, Interval


def markdown(report: dict) -> str:
    """The report as tables: its main numbers, the shares of the classes, and bits/dim."""
    parts = [_settings(report), table(_main_rows(report)), table(_class_rows(report))]
    if report.get("bits_per_dim"):
        parts.append(table(_bits_rows(report["bits_per_dim"])))
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(report: dict) -> str:
    """The report with every number in it."""
    return json.dumps(_plain(report), indent=1, allow_nan=False) + "\n"


def _settings(report: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in report["settings"].items())


def _main_rows(report: dict) -> list[list[str]]:
    """The label, the samples' number if there are samples, the floor's, the test digits' own."""
    floor, test = report["floor"], report["test"]
    sets = [report[name] for name in ("samples", "floor") if name in report]
    names = ["samples", "training digits (the floor)"][-len(sets) :]
    own = test["quality"]

    def row(label: str, show: object, last: str = "") -> list[str]:
        return [label, *(show(x) for x in sets), last]

    rows = [
        ["", *(f"{x['images']:,} {name}" for x, name in zip(sets, names, strict=True))],
        row("digit-FID against the test digits", lambda x: _interval(x["fid"])),
        row(
            "... as a multiple of the floor", lambda x: f"{x['fid'].value / floor['fid'].value:.2f}"
        ),
        row("KID × 1000", lambda x: _interval(x["kid"], 1000)),
        row(
            "read with more than 0.9 confidence",
            lambda x: _percent(x["quality"].confident),
            _percent(own.confident),
        ),
        row(
            "mean confidence",
            lambda x: f"{x['quality'].mean_confidence:.4f}",
            f"{own.mean_confidence:.4f}",
        ),
        row("rarest class, as a multiple of its real share", lambda x: _extreme(x, min), "1"),
        row("most frequent class, likewise", lambda x: _extreme(x, max), "1"),
    ]
    rows[0].append(f"the {test['images']:,} test digits")
    return rows + _sample_rows(report)


def _sample_rows(report: dict) -> list[list[str]]:
    """What only samples have."""
    rows = []
    if "as_asked" in report.get("samples", {}):
        rows = [["read as the digit asked for", _percent(report["samples"]["as_asked"]), "", ""]]
    return rows + (_memory_rows(report["memory"]) if "memory" in report else [])


def _memory_rows(memory: dict) -> list[list[str]]:
    rows = []
    for key, label in {
        "by_distance": "closer to a training image than 99 % of the test digits",
        "by_closeness": "... relative to the second closest one",
    }.items():
        found = memory[key]
        rows.append([label, _percent(found.share), "", _percent(found.reference_share)])
    medians = (f"{memory[f'median_distance{of}']:.2f}" for of in ("", "_of_test_digits"))
    return [*rows, ["median distance to the closest training image", next(medians), "", *medians]]


def _class_rows(report: dict) -> list[list[str]]:
    rows = [["share read as", *map(str, range(10))]]
    for name, label in {
        "samples": "samples",
        "floor": "training digits",
        "test": "test digits",
    }.items():
        if name in report:
            rows.append([label, *(_percent(x, 1) for x in report[name]["quality"].shares)])
    return rows


def _bits_rows(bits: dict[str, BitsPerDim]) -> list[list[str]]:
    images = next(iter(bits.values())).images
    rows = [
        [f"bits/dim of {images:,} test digits", "prior", "denoising", "reconstruction", "total"]
    ]
    for variance, found in bits.items():
        terms = (found.prior, found.denoising, found.reconstruction, found.total)
        rows.append([f"variance {variance}", *map(_estimate, terms)])
    return rows


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table in Markdown, the first one its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _interval(x: Interval, factor: float = 1) -> str:
    value, low, high = (f"{factor * bound:.3g}" for bound in x)
    return f"{value} ({low} to {high})"


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def _extreme(x: dict, choose: object) -> str:
    ratio = choose(x["share_ratios"])
    return f"{ratio:.2f} (of {x['share_ratios'].index(ratio)})"


def _estimate(x: Estimate) -> str:
    return f"{x.mean:.4f} ± {x.error:.4f}"


def _plain(value: object) -> object:
    """Named tuples as dictionaries, for JSON."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
