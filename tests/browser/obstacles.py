"""What axe-core finds of obstacles to people with disabilities, in a page or in parts of it."""

from pathlib import Path


def obstacles(page: object, npm: Path, *places: str) -> list[str]:
    """The serious and critical violations, in words; in these places (CSS selectors), or all."""
    page.evaluate((npm / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate(
        "(places) => axe.run(places.length ? {include: places.map((place) => [place])} : document,"
        " {resultTypes: ['violations'], preload: false})",
        list(places),
    )
    return [
        "\n".join([f"{one['id']}: {one['help']}", *(node["html"][:200] for node in one["nodes"])])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
