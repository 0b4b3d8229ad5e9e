"""What the README promises is there, and its code runs."""

import re
from pathlib import Path

import pytest

from ddpm_lessons.cli import main

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
LESSON = re.compile(
    r"^\| \[(?P<title>\d\d · [^\]]+)\]\((?P<file>[^)]+)\) \|[^|]+"
    r"\| (?P<runs>[^|]+) \| (?P<read>[^|]+) \|$",
    re.MULTILINE,
)


def test_the_example_runs_in_fifteen_lines():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    scope: dict = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope["x_t"].shape == scope["x_0"].shape
    assert 0 < scope["loss"].item() < 1  # better than answering 0, so the weights are trained ones
    assert scope["step"].t == 0


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("https://"):
            assert (REPOSITORY / target).exists(), target


def test_pictures_have_alternative_texts():
    pictures = re.findall(r"!\[([^\]]*)\]", README)
    assert pictures
    assert all(len(alt) >= 20 for alt in pictures)


def test_the_table_of_lessons_is_the_course():
    rows = {row["file"]: row for row in LESSON.finditer(README)}
    texts = sorted((REPOSITORY / "notebooks" / "text").glob("[0-9]*.py"))
    assert list(rows) == [f"notebooks/{text.stem}.ipynb" for text in texts]
    for text in texts:
        source, row = text.read_text(encoding="utf-8"), rows[f"notebooks/{text.stem}.ipynb"]
        assert f"# # {row['title']}\n" in source
        minutes = row["read"].replace("min", "minutes")
        assert f"about {row['runs']} to run, {minutes} to read and try" in source


def test_the_commands_exist(capsys):
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in {name for page in PAGES for name in named_targets(page)}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    for command in sorted(set(re.findall(r"python -m ddpm_lessons (\w+)", README))):
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        assert "usage: python -m ddpm_lessons" in capsys.readouterr().out


def named_targets(page: str) -> list[str]:
    """The targets of `make TARGET` in a page, in its indented lines and between backticks."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    return re.findall(r"^    make (\w+)", text, re.MULTILINE) + re.findall(r"`make (\w+)", text)
