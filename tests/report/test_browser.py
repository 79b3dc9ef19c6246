"""A report in headless Chromium: nothing is fetched, nothing overflows, contrast, keyboard, print."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from makeweight.report.page import Answer, Cell, Facts, Page, Paragraph, Section, Table
from makeweight.report.pictures import gallery, side_by_side
from makeweight.report.plots import class_bars, intervals
from makeweight.report.render import write_report

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Chromium and its driver: apt-get install chromium chromium-driver"
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# The least contrast of any text to the ground below it, as WCAG 2 reckons it.
CONTRAST = """
const luminance = c => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
  const v = c[i] / 255; return sum + weight * (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const rgba = text => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data]; };
const over = (top, below) => { const a = top[3] / 255;
  return below.map((v, i) => i < 3 ? top[i] * a + v * (1 - a) : 255); };
const ground = element => { const found = []; for (let e = element; e; e = e.parentElement)
  found.push(rgba(getComputedStyle(e).backgroundColor));
  return found.reverse().reduce((b, t) => over(t, b), [255, 255, 255, 255]); };
let worst = [99, ''];
for (const element of document.querySelectorAll('body *')) {
  if (element.closest('.skip') || ![...element.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
  const below = ground(element), style = getComputedStyle(element);
  const ink = over(rgba(element.namespaceURI.endsWith('svg') ? style.fill : style.color), below);
  const [a, b] = [luminance(ink), luminance(below)].sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  if (contrast < worst[0]) worst = [contrast, element.tagName + ' ' + element.textContent.slice(0, 40)];
}
return worst;
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with one of everything, and a table that is wider than a phone."""
    random = np.random.default_rng(0)
    tiles: NDArray[np.float32] = random.uniform(-1, 1, (8, 1, 8, 8)).astype(np.float32)
    wide = [["class", *(Cell(f"{n / 20:.2f}", "0.1 to 0.9", n / 20) for n in range(21))]]
    sections = [
        Section("Words", [Paragraph("Words " * 40), Facts([("Hash", "0123456789abcdef" * 4)])]),
        Section("Tables", [Table("Wide", ["class", *map(str, range(21))], wide, note="How to read it. " * 8)]),
        Section("Pictures", gallery("Images.", [side_by_side("boot", tiles, tiles)])),
        Section(
            "Drawings",
            [*class_bars(["boot", "clog"], [9, 3], [0, 6]), *intervals("Gain", [("SMOTE", 0.1, -0.1, 0.3)], "Gain.")],
        ),
    ]
    answers = [Answer(word, "a sentence.") for word in ("use", "do not use", "cannot tell", "warning")]
    file = tmp_path_factory.mktemp("browser") / "report.html"
    write_report(file, Page("Shoes <b>", "Two classes.", answers, sections))
    return file


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium, of the extra dev")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def show(browser: Any, page: Path, width: int, scheme: str, media: str = "") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_reads_in_both_schemes(browser: Any, page: Path, width: int, scheme: str) -> None:
    show(browser, page, width, scheme)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    contrast, where = browser.execute_script(CONTRAST)
    assert contrast >= 4.5, where
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 19, 24)"}[scheme]
    images = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert min(images) > 0


def test_nothing_is_fetched_and_nothing_is_refused(browser: Any, page: Path) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    show(browser, page, 1280, "light")
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert {url.partition(":")[0] for url in urls} <= {"file", "data"}
    assert [url for url in urls if url.startswith("file:")] == [page.as_uri()]
    assert browser.get_log("browser") == []
    assert browser.title == "Shoes <b>"


def test_the_keyboard_reaches_the_verdict_first_and_wide_tables(browser: Any, page: Path) -> None:
    show(browser, page, 390, "light")
    reached = []
    for _ in range(8):
        key = {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
        for kind in ("keyDown", "keyUp"):
            browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": kind, **key})
        reached.append(
            browser.execute_script(
                "const e = document.activeElement; return [e.getAttribute('href') || e.getAttribute('aria-label') || "
                "e.tagName, getComputedStyle(e).outlineStyle, e.getBoundingClientRect().left >= 0]"
            )
        )
    assert reached[0] == ["#main", "solid", True]
    assert reached[1][0] == "#verdict"
    assert "Wide" in [name for name, *_ in reached]
    assert all(style == "solid" for _, style, _ in reached[:7])


def test_screen_readers_find_landmarks_and_names(browser: Any, page: Path) -> None:
    show(browser, page, 1280, "light")
    browser.execute_cdp_cmd("Accessibility.enable", {})
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    assert {"banner", "main", "contentinfo", "navigation"} <= {role for role, _ in roles}
    assert ("region", "Verdict") in roles
    names = [name for role, name in roles if role in ("image", "img")]
    assert len(names) == 5
    assert all(len(name) > 10 for name in names)
    assert ("table", "Wide") in roles


def test_it_prints_on_white(browser: Any, page: Path) -> None:
    show(browser, page, 800, "dark", "print")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.execute_script("return getComputedStyle(document.querySelector('nav')).display") == "none"
    contrast, where = browser.execute_script(CONTRAST)
    assert contrast >= 4.5, where
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    assert base64.b64decode(pdf["data"]).startswith(b"%PDF")
