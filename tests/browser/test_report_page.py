"""The report in a real browser: it renders in light and dark, fits a telephone, prints, and asks for nothing.

Needs Chromium and its driver; `make test-browser` installs them where it can. Screenshots go to .local/screenshots.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image, ImageStat
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from workbench.bench import report
from workbench.bench.advice import Needs
from workbench.bench.results import Results
from workbench.cost.prices import PriceTable

PROJECT = Path(__file__).parents[2]
# The recorded run that docs/example-report.html shows.
EXAMPLE = PROJECT / "docs" / "example-bench.json"
SCREENSHOTS = PROJECT / ".local" / "screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

Theme = Literal["light", "dark"]

# --paper of style.css
PAPER = {"light": (255, 255, 255), "dark": (20, 23, 26)}

# The smallest contrast of text with what is behind it that WCAG 2 accepts (level AA).
CONTRAST = 4.5

# Left, top, right and bottom of each chart, from the top of the page.
BOXES = """return [...document.querySelectorAll('figure svg')].map(svg => {
    const box = svg.getBoundingClientRect();
    return [box.left, box.top + scrollY, box.right, box.bottom + scrollY];
})"""


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(report.html(Results.read(EXAMPLE), Needs(), PriceTable.read(), "us-east-1"), encoding="utf-8")
    return file


@pytest.fixture
def browser() -> Iterator[webdriver.Chrome]:
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.fail("Chromium or chromedriver is missing; on Debian: apt-get install chromium chromium-driver.")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    # Chromium's sandbox refuses to run as root, which is what containers are.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield opened
    finally:
        opened.quit()


def show(browser: webdriver.Chrome, page: Path, theme: Theme = "light", width: int = 1100) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(page.as_uri())


def screenshot(browser: webdriver.Chrome, name: str) -> Image.Image:
    # Right after its size has changed, Chromium may not have laid the page out yet, and refuses.
    patient = WebDriverWait(browser, 10, ignored_exceptions=[WebDriverException])
    asked = {"captureBeyondViewport": True, "format": "png"}
    taken = patient.until(lambda chrome: chrome.execute_cdp_cmd("Page.captureScreenshot", asked))
    content = base64.b64decode(taken["data"])
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / f"{name}.png").write_bytes(content)
    return Image.open(io.BytesIO(content)).convert("RGB")


def luminance(colour: list[float]) -> float:
    """Relative luminance as WCAG 2 defines it, of red, green and blue from 0 to 255."""
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def ask(browser: webdriver.Chrome, script: str) -> Any:
    return browser.execute_script(script)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_renders_without_a_word_in_the_console(browser: webdriver.Chrome, page: Path, theme: Theme) -> None:
    show(browser, page, theme)
    picture = screenshot(browser, f"report-{theme}")
    brightness = ImageStat.Stat(picture.convert("L")).mean[0]
    assert brightness > 200 if theme == "light" else brightness < 80
    assert len(picture.getcolors(2**24) or ()) > 100
    assert browser.get_log("browser") == []
    charts = ask(browser, BOXES)
    assert len(charts) == 4
    for left, top, right, bottom in charts:
        assert bottom - top > 100
        chart = picture.crop((int(left), int(top), int(right), int(bottom)))
        # Charts lie on the page's own paper, in either theme.
        colours = {colour: count for count, colour in chart.getcolors(2**24) or ()}
        assert colours[PAPER[theme]] > 0.3 * chart.width * chart.height


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_can_be_read_on_what_is_behind_it(browser: webdriver.Chrome, page: Path, theme: Theme) -> None:
    show(browser, page, theme)
    found = ask(
        browser,
        """
        const parts = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const behind = element => {
            for (; element; element = element.parentElement) {
                const colour = getComputedStyle(element).backgroundColor;
                if (!colour.endsWith(', 0)')) return parts(colour);
            }
            return [255, 255, 255];
        };
        const words = [...document.querySelectorAll('p, li, td, th, dd, dt, a, h1, h2, h3, h4, summary, figcaption')];
        const drawn = [...document.querySelectorAll('svg text')];
        return [
            ...words.map(e => [e.textContent, parts(getComputedStyle(e).color), behind(e)]),
            ...drawn.map(e => [e.textContent, parts(getComputedStyle(e).fill), behind(e)]),
        ];
        """,
    )
    assert len(found) > 200
    faint = {text: round(contrast(ink, paper), 2) for text, ink, paper in found if contrast(ink, paper) < CONTRAST}
    assert faint == {}


def test_no_text_of_a_chart_is_cut_off_or_lies_on_another(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    charts = ask(
        browser,
        """
        const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
        return [...document.querySelectorAll('figure svg')].map(
            svg => [box(svg), [...svg.querySelectorAll('text')].map(e => [e.textContent, box(e)])]);
        """,
    )
    for (left, top, right, bottom), texts in charts:
        for text, place in texts:
            inside = place[0] >= left - 1 and place[1] >= top - 1 and place[2] <= right + 1 and place[3] <= bottom + 1
            assert inside, text
        for number, (text, one) in enumerate(texts):
            for other_text, other in texts[number + 1 :]:
                apart = one[2] <= other[0] or other[2] <= one[0] or one[3] - 2 <= other[1] or other[3] - 2 <= one[1]
                assert apart, f"{text!r} and {other_text!r}"


def test_a_telephone_shows_it_without_scrolling_sideways(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, width=390)
    screenshot(browser, "report-telephone")
    assert ask(browser, "return document.documentElement.scrollWidth") == 390


def test_it_asks_for_nothing_but_itself(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}


def test_it_prints_on_white_paper_even_in_the_dark(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, "dark")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    assert ask(browser, "return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert ImageStat.Stat(screenshot(browser, "report-print").convert("L")).mean[0] > 200
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 3
