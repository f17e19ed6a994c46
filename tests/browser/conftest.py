"""Real headless Chromium, for all tests of what a person sees."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=2400,1400"
)


@pytest.fixture(scope="module")
def chromium(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser that remembers what its console said and what it asked the network for."""
    with browser(program, tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@contextmanager
def browser(program: Callable[[str], Path], folder: Path) -> Iterator[webdriver.Chrome]:
    """Such a browser, with its profile in a folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(program("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in [*FLAGS.split(), f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(program("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()
