"""The manual and the messages stay readable for somebody whose first language is another."""

from __future__ import annotations

from statistics import median

import pytest

from tests.offbeat.support import prose

MEDIAN = 14  # words of a sentence
READING_EASE = 55  # Flesch's; 60 and more is plain English, and names of programs cost some
PAGES = {path.relative_to(prose.DOCS).as_posix(): path for path in prose.pages()}


def told(texts):
    """Give the words that the reader would have to learn, each with its place and what to write instead."""
    found = ((text, word) for text in texts for word in prose.BANNED.findall(text.said))
    return [f"{text.where}: {word}: write {prose.instead_of(word)}: {text.said}" for text, word in found]


def long_ones(texts):
    return [
        f"{text.where}: {text.length} words: {text.said}" for text in texts if text.length > prose.LONGEST
    ]


@pytest.mark.parametrize("page", PAGES)
def test_the_sentences_of_a_page_are_short(page):
    """A reader who looks words up loses the beginning of a long sentence."""
    sentences = prose.sentences_of_page(PAGES[page])

    assert median(text.length for text in sentences) <= MEDIAN
    assert long_ones(sentences) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_the_words_of_the_field(page):
    """No page uses a word of ours, or an idiom, where there is a standard one."""
    assert told(prose.sentences_of_page(PAGES[page])) == []


def test_messages_have_the_words_of_the_field():
    """Nor do errors, hints, checks, help texts, log lines and pages."""
    assert told(prose.texts()) == []


def test_messages_are_short():
    """What went wrong and what to do are two sentences."""
    assert long_ones(prose.texts()) == []


@pytest.mark.skipif(
    not prose.TEXTSTAT.exists(), reason="no textstat: run tests/offbeat/support/install_tools"
)
def test_pages_and_messages_are_easy_to_read():
    """By Flesch's formula, as textstat counts it; pages with fewer sentences than it needs are judged together."""
    names = [name for name in PAGES if len(prose.sentences_of_page(PAGES[name])) >= 20]

    eases = prose.reading_ease(*(prose.sentences_of_page(PAGES[name]) for name in names), prose.texts())

    assert {
        name: ease for name, ease in zip([*names, "messages"], eases, strict=True) if ease < READING_EASE
    } == {}
