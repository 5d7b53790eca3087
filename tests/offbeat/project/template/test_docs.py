"""The manual stays true: what the core has is in it, and what it names is in the core."""

from __future__ import annotations

import re

import pytest
from django.core.management import get_commands

from offbeat.env import env
from tests.offbeat.support.running import CHECKOUT

DOCS = CHECKOUT / "docs" / "offbeat"
CORE = CHECKOUT / "src" / "offbeat"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text() for path in sorted(DOCS.rglob("*.md"))}
VARIABLE = r"`([A-Z][A-Z_]*[A-Z])`"


def links():
    """Give (page, link) for each link to a file of the repository, of the pages and of the changelog."""
    changelog = "../../src/offbeat/CHANGELOG.md"
    for page, text in (PAGES | {changelog: (DOCS / changelog).read_text()}).items():
        for link in re.findall(r"\]\((?!https?:|mailto:)([^)]+)\)|src=\"(?!https?:)([^\"]+)\"", text):
            yield page, "".join(link)


def headings(text):
    """Give the anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def documented_variables():
    cells = [line.split("|")[1] for line in PAGES["configuration.md"].splitlines() if line.startswith("| `")]
    return set(re.findall(VARIABLE, " ".join(cells)))


def core_commands():
    return sorted(name for name, app in get_commands().items() if app.startswith("offbeat."))


def test_every_variable_is_in_the_table():
    """Each environment variable that the core's settings read by name has a row."""
    settings = "".join(path.read_text() for path in CORE.glob("*settings.py"))
    read = {name for name in env.known if f'"{name}"' in settings}

    assert read - documented_variables() == set()


@pytest.mark.parametrize("name", sorted(documented_variables()))
def test_every_row_of_the_table_is_read(name):
    """The table names no variable that the code does not read."""
    modules = [*CORE.rglob("*.py"), *(CHECKOUT / "src" / "config").glob("*.py")]

    assert any(f'"{name}"' in module.read_text() for module in modules)


@pytest.mark.parametrize("name", core_commands())
def test_every_command_is_named(name):
    """Each management command of the core is on a page."""
    assert re.search(rf"\b{name}\b", "\n".join(PAGES.values()))


@pytest.mark.parametrize(("page", "link"), list(links()))
def test_every_link_leads_somewhere(page, link):
    """A relative link leads to a file, and to a heading of it."""
    path, _, anchor = link.partition("#")
    target = DOCS / page if not path else (DOCS / page).parent / path

    assert target.exists()
    assert not anchor or anchor in headings(target.read_text())


def test_every_file_that_is_named_exists():
    """A path of the core, of its tests or of a script, is one of this checkout."""
    named = set(re.findall(r"\b((?:src|tests|docs)/offbeat/[\w./-]*\w)", "\n".join(PAGES.values())))

    assert sorted(path for path in named if not (CHECKOUT / path).exists()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_page_can_be_found(page):
    """Each page is linked from another one."""
    linked = {
        (DOCS / source).parent.joinpath(link.partition("#")[0]).resolve()
        for source, link in links()
        if source != page and link.partition("#")[0]
    }

    assert page == "README.md" or (DOCS / page).resolve() in linked


@pytest.mark.parametrize("picture", sorted((DOCS / "images").glob("*.[ps]*")), ids=lambda path: path.name)
def test_the_pictures_are_small(picture):
    """A clone does not pay for the pictures."""
    assert 0 < picture.stat().st_size < 150_000


KINDS = ["Tutorial", "How-to", "Reference", "Explanation"]


def listed():
    """Give the pages that the table of contents lists, by kind."""
    kinds = re.split(r"^## (.+)$", PAGES["README.md"], flags=re.MULTILINE)
    return {
        kind: re.findall(r"\[[^\]]+\]\(((?!\.\./)[\w./-]+\.md)\)", text)
        for kind, text in zip(kinds[1::2], kinds[2::2], strict=True)
    }


def test_the_table_of_contents_has_four_kinds():
    """A tutorial leads, a how-to page does one thing, reference is looked up, explanation gives reasons."""
    assert list(listed()) == KINDS


def test_every_page_has_one_kind():
    """Each page is in the table of contents once, and nothing else is."""
    pages = [page for kind in listed().values() for page in kind]

    assert sorted(pages) == sorted(set(PAGES) - {"README.md"})
