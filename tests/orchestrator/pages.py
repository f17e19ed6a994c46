"""Reads a report's page as HTML: its tables, and what it says when a pointer rests on a mark."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """What a page holds.

    Attributes:
        tables: Title -> rows of cells, the head first.
        classes: Title -> the same with the class of every cell.
        titles: The texts of all `<title>` within pictures.
        tags: Every tag with its attributes.
        text: All visible text.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self.classes: dict[str, list[list[str]]] = {}
        self.titles: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self._table = ""
        self.feed(html)
        self.close()
        assert not self._open, self._open  # every element is closed, in order

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._table = str(given["data-title"])
            assert self._table not in self.tables
            self.tables[self._table], self.classes[self._table] = [], []
        elif tag == "tr":
            self.tables[self._table].append([])
            self.classes[self._table].append([])
        elif tag in ("td", "th"):
            self.tables[self._table][-1].append("")
            self.classes[self._table][-1].append(given.get("class") or "")
        elif tag == "title" and "svg" in self._open:
            self.titles.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open or not self._open:
            return
        if "svg" in self._open and self._open[-1] == "title":
            self.titles[-1] += data
            return
        self.text += data
        if self._open[-1] in ("td", "th"):
            self.tables[self._table][-1][-1] += data
