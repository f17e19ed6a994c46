"""Takes the pictures of docs/pictures from a report: python -m tests.browser.screenshots PAGE.html docs/pictures."""

from __future__ import annotations

import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.browser.conftest import browser
from tests.browser.test_report_page import shown

SHOTS = {
    (1440, "light"): ("#sub-tasks", 1200),
    (1440, "dark"): ("", 1200),
    (390, "light"): ("", 844),
    (390, "dark"): ("#thresholds", 844),
}
"""Width in pixels and colours -> what is at the top, and the height."""


def take(page: Path, folder: Path) -> list[Path]:
    """Writes one picture for each of `SHOTS`, of 256 colours."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    found = {name: Path(shutil.which(name) or name) for name in ("chromium", "chromedriver")}
    with tempfile.TemporaryDirectory() as profile, browser(found.__getitem__, Path(profile)) as driver:
        for (width, scheme), (anchor, height) in SHOTS.items():
            driver.get("about:blank")
            driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
            shown(driver, page, width, scheme, height, anchor)
            with Image.open(BytesIO(driver.get_screenshot_as_png())) as picture:
                path = folder / f"report-{width}-{scheme}.png"
                picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
            paths.append(path)
    return paths


if __name__ == "__main__":
    for path in take(Path(sys.argv[1]).absolute(), Path(sys.argv[2])):
        print(f"{path}: {path.stat().st_size // 1000} KB")
