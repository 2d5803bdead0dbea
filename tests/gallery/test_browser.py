"""The page in headless Chromium: what people see, on a desk, on a phone and in the dark."""

import shutil
from itertools import pairwise

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytest.importorskip("selenium")

from selenium import webdriver

from drivetrain.gallery.page.build import build

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

# One group: the page is built and the browser started once, by one worker.
pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver not installed"),
]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Figures of a second or less.
CHEAP = {
    "approximation": ("Robbins-Monro", "One sample or all"),
    "optim": ("Coupled and decoupled", "Two decay rules", "Parts of Adam"),
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "page.html"
    built = build(list(CHEAP), out, progress=False, pick=CHEAP, workers=1)
    assert built.failed == ()
    return built


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def show(browser, page):
    def open_at(width=1280, mode="light"):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        scheme = [
            {"name": "prefers-color-scheme", "value": mode},
            # Links then jump at once, so a test need not wait for the scroll to end.
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        browser.get("about:blank")
        browser.get(page.path.as_uri())
        return browser

    return open_at


def test_opens_with_an_empty_console_and_fetches_nothing(show):
    driver = show()
    assert driver.get_log("browser") == []
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert driver.execute_script("return document.compatMode") == "CSS1Compat"


@pytest.mark.parametrize("width", [1280, 390])
def test_every_figure_is_there(show, page, width):
    sizes = show(width).execute_script(
        "return [...document.querySelectorAll('figure')].map(f =>"
        " [...f.querySelectorAll('svg, table')].map(e => {"
        "  const r = e.getBoundingClientRect(); return [r.width, r.height]; }))"
    )
    assert len(sizes) == page.figures == sum(map(len, CHEAP.values()))
    for parts in sizes:
        assert parts and all(w > 100 and h > 30 for w, h in parts)


def test_every_panel_has_a_name_and_drawn_content(show):
    panels = show().execute_script(
        "return [...document.querySelectorAll('svg.panel')].map(s =>"
        " [s.getAttribute('aria-label'), s.querySelectorAll('path, use, text').length])"
    )
    assert panels and all(label and count > 5 for label, count in panels)


@pytest.mark.parametrize("width", [1280, 390])
def test_contents_lead_to_their_targets(show, width):
    driver = show(width)
    links = driver.find_elements("css selector", ".contents a")
    assert len(links) == len(CHEAP) + sum(map(len, CHEAP.values()))
    for link in links:
        driver.execute_script("window.scrollTo(0, 0)")
        target = link.get_attribute("href").split("#")[1]
        link.click()
        top, height = driver.execute_script(
            "const r = document.getElementById(arguments[0]).getBoundingClientRect();"
            "return [r.top, window.innerHeight]",
            target,
        )
        assert driver.current_url.endswith(f"#{target}")
        assert 0 <= top < height, target


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_phone_has_no_sideways_scroll(show, mode):
    driver = show(390, mode)
    wide = driver.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth,"
        " [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, .frame, .skip')"
        "   && e.getBoundingClientRect().right > 391).map(e => e.outerHTML.slice(0, 80))]"
    )
    assert wide == [390, 390, []]


def test_dark_mode_turns_the_page_and_the_figures(show):
    script = (
        "const c = (q, p) => getComputedStyle(document.querySelector(q))[p];"
        "return [c('body', 'backgroundColor'), c('body', 'color'), c('svg.panel text', 'fill'),"
        " c('svg.panel path[style*=stroke]', 'stroke')]"
    )
    light = show(mode="light").execute_script(script)
    dark = show(mode="dark").execute_script(script)
    assert all(a != b for a, b in zip(light, dark, strict=True))
    assert light[0] == "rgb(255, 255, 255)"


def test_headings_go_down_by_one_and_tables_have_headers(show):
    driver = show()
    levels = driver.execute_script(
        "return [...document.querySelectorAll('h1, h2, h3')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert driver.execute_script(
        "return [...document.querySelectorAll('table')].every(t =>"
        " t.querySelector('thead th[scope=col]') && t.querySelector('tbody th[scope=row]'))"
    )


def test_size_is_within_three_megabytes(page):
    assert page.size <= 3_000_000
