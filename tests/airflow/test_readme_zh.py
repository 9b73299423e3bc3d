"""README.zh.md says in Chinese what README.md says: the same parts, code, tables and links."""

from __future__ import annotations

import re

import pytest

from shown import ROOT

ENGLISH, CHINESE = ((ROOT / name).read_text() for name in ("README.md", "README.zh.md"))
HAN = re.compile(r"[\u4e00-\u9fff]")


def without_code(text):
    return re.sub(r"^```.*?^```\n", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(text):
    return re.findall(r"^(#+) (.+)$", without_code(text), flags=re.MULTILINE)


def code_blocks(text):
    return re.findall(r"^```.*?^```$", text, flags=re.DOTALL | re.MULTILINE)


def parts(text):
    """Return what stands under each heading."""
    return re.split(r"^#+ .+$", without_code(text), flags=re.MULTILINE)


def names(text):
    return sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"\n *", " ", text))))


def links(text):
    return sorted(
        link for link in re.findall(r"\]\(([^)]+)\)", text) if link not in {"README.md", "README.zh.md"}
    )


def lines_of(text, begins):
    return [line for line in text.splitlines() if re.match(begins, line)]


def test_the_headings_have_the_same_structure():
    assert [level for level, _ in headings(CHINESE)] == [level for level, _ in headings(ENGLISH)]


def test_the_headings_are_chinese():
    assert [title for _, title in headings(CHINESE)[1:] if not HAN.search(title)] == []


def test_the_code_blocks_are_the_same():
    assert code_blocks(CHINESE) == code_blocks(ENGLISH)


PAIRS = list(zip(headings(ENGLISH), parts(ENGLISH)[1:], parts(CHINESE)[1:], strict=True))


@pytest.mark.parametrize(
    ("english", "chinese"), [pair[1:] for pair in PAIRS], ids=[pair[0][1] for pair in PAIRS]
)
class TestEachPart:
    def test_has_the_same_tables_and_lists(self, english, chinese):
        for begins in (r"\|", r"- ", r"\d\. "):
            assert len(lines_of(chinese, begins)) == len(lines_of(english, begins))

    def test_names_the_same_things(self, english, chinese):
        assert names(chinese) == names(english)

    def test_has_the_same_links(self, english, chinese):
        assert links(chinese) == links(english)

    def test_gives_the_same_numbers(self, english, chinese):
        def numbers(text):
            return sorted(re.findall(r"\d{3,}", text))

        assert numbers(chinese) == numbers(english)
