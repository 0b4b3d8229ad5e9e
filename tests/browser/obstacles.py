"""What axe-core finds of obstacles to people with disabilities, in a page or in parts of it."""

from collections.abc import Sequence
from pathlib import Path


def obstacles(page: object, npm: Path, *places: str, rules: Sequence[str] = ()) -> list[str]:
    """The serious and critical violations, in words; in these places (CSS selectors), or all; by
    these rules, or all.
    """
    page.evaluate((npm / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate(
        "([places, rules]) => axe.run("
        "places.length ? {include: places.map((place) => [place])} : document,"
        "{resultTypes: ['violations'], preload: false, ...(rules.length && {runOnly: rules})})",
        [list(places), list(rules)],
    )
    return [
        "\n".join([f"{one['id']}: {one['help']}", *(node["html"][:200] for node in one["nodes"])])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
