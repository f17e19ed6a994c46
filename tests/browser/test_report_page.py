"""The report's page as a person sees it: from the disk, on a telephone and a wide screen, light, dark and on paper."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from orchestrator.ledger.ledger import Ledger
from orchestrator.report.page import read_page
from orchestrator.study.study import Study

pytestmark = pytest.mark.browser

# The least contrast of any text with what lies behind it, and that text.
CONTRAST = """
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    function rgba(colour) {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    }
    function luminance(colour) {
        const [r, g, b] = colour.map(each => each / 255).map(
            each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    }
    function behind(element) {
        const layers = [];
        for (let each = element; each; each = each.parentElement)
            layers.push(rgba(getComputedStyle(each).backgroundColor));
        return layers.reverse().reduce(
            (below, layer) => below.map((value, i) => value + (layer[i] - value) * layer[3] / 255), [255, 255, 255]);
    }
    let least = [21, ''];
    for (const element of document.querySelectorAll('body *:not(path):not(g):not(style)')) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!own || element.closest('title') || !element.getClientRects().length) continue;
        const style = getComputedStyle(element);
        const text = luminance([...rgba(element.closest('svg') ? style.fill : style.color)].slice(0, 3));
        const ground = luminance(behind(element.closest('svg') || element));
        const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
        if (ratio < least[0]) least = [ratio, element.className + ': ' + element.textContent.slice(0, 40)];
    }
    return least;
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, large: tuple[Study, Ledger]) -> Path:
    path = tmp_path_factory.mktemp("report") / "large.html"
    path.write_text(read_page(large[1].folder), encoding="utf-8")
    return path


def shown(driver: webdriver.Chrome, page: Path, width: int, scheme: str, height: int = 900, anchor: str = "") -> None:
    """Opens the page from the disk on a screen so wide, with the person's choice of light or dark."""
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    chosen = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    media = {"features": [{"name": name, "value": value} for name, value in chosen.items()]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.get(page.as_uri() + anchor)


def requested(driver: webdriver.Chrome) -> Iterator[str]:
    """The address of everything that was asked for since the last call."""
    for entry in driver.get_log("performance"):
        message: dict[str, Any] = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]


def test_the_page_opens_everywhere_without_an_error_or_a_request(
    chromium: webdriver.Chrome, page: Path, tmp_path: Path
) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        for width in (390, 1440):
            chromium.get("about:blank")
            list(requested(chromium))  # of the browser's own first page
            shown(chromium, page, width, scheme)
            assert [url for url in requested(chromium) if not url.startswith("data:")] == [page.as_uri()]
            assert [entry for entry in chromium.get_log("browser") if entry["level"] != "INFO"] == []
            sizes = "const root = document.documentElement; return [root.scrollWidth, root.clientWidth, innerWidth]"
            scroll, client, inner = chromium.execute_script(sizes)
            assert inner == width and scroll <= client, f"{width} {scheme}: {scroll} in {client}"
            ratio, text = chromium.execute_script(CONTRAST)
            assert ratio >= 4.5, f"{width} {scheme}: {ratio:.2f} of {text!r}"  # WCAG 2.2, AA
            grounds.add((scheme, chromium.execute_script("return getComputedStyle(document.body).backgroundColor")))
            chromium.save_screenshot(str(tmp_path / f"{width}-{scheme}.png"))
    assert len({colour for _, colour in grounds}) == len(grounds) == 2


def test_pictures_lie_within_their_frames(chromium: webdriver.Chrome, page: Path) -> None:
    shown(chromium, page, 390, "light")
    outside = """
        const outside = [];
        for (const svg of document.querySelectorAll('.panels svg')) {
            const frame = svg.getBoundingClientRect();
            for (const mark of svg.querySelectorAll('text, :not(defs) > path, use')) {
                const box = mark.getBoundingClientRect();
                if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
                    || box.bottom > frame.bottom + 1) outside.push(mark.textContent.slice(0, 60));
            }
        }
        return [document.querySelectorAll('.panels svg').length, outside];
    """
    pictures, found = chromium.execute_script(outside)
    assert pictures == 10 and found == []


def test_a_pointer_on_a_mark_is_told_of_it(chromium: webdriver.Chrome, page: Path) -> None:
    shown(chromium, page, 1440, "light", anchor="#sweep")
    told = """
        return [...document.querySelectorAll('#sweep .panels svg g > use')].map(mark => {
            const box = mark.getBoundingClientRect();
            const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return there.closest('g')?.querySelector('title').textContent;
        });
    """
    found = chromium.execute_script(told)
    assert len(found) == 50 and all(text.startswith(("mwt ", "nemo ")) and "\nKRR " in text for text in found)


def test_the_page_prints_on_paper_in_dark_mode_too(chromium: webdriver.Chrome, page: Path) -> None:
    shown(chromium, page, 1440, "dark")
    printed = base64.b64decode(chromium.print_page())
    assert printed.startswith(b"%PDF")
    media = {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    colour = chromium.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(255, 255, 255)"
    # A4 between the page's margins is 688 CSS pixels wide.
    screen = {"width": 688, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    wide = """
        return [...document.querySelectorAll('table:not(.map)')]
            .filter(table => table.getBoundingClientRect().right > innerWidth + 1).map(table => table.dataset.title);
    """
    assert chromium.execute_script(wide) == []
