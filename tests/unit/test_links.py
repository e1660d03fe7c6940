"""The documentation hangs together: every link within it leads somewhere."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "contrib/*.md", "benchmarks/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)  # fmt: skip


def prose_of(page: Path) -> str:
    """Without blocks of code, in which brackets mean other things."""
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """As forges make them of headings: lower case, letters, digits and hyphens."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    """Links to other sites are not followed: the tests need no network."""
    dead = []
    for link in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", prose_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            dead.append(link)
    assert dead == []


def test_the_links_are_found_at_all() -> None:
    """README leads to the other pages."""
    links = re.findall(r"\]\((docs/[a-z]+\.md)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"docs/quickstart.md", "docs/settings.md", "docs/operations.md"} <= set(links)


def test_the_smallest_settings_of_the_readme_can_be_read() -> None:
    """They are TOML, and have the sections that are required."""
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert {"smtp", "faxmax", "webhook", "relay", "inbound", "senders"} <= set(tomllib.loads(block))
