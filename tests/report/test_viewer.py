"""The page in a real browser: what a hand or a finger does, and what is then to be seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from nsp_cli.photo import Photo
from nsp_cli.report import NotShown, PhotoComparison, Version, write_comparison
from tests.browser import browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTH, HEIGHT = 1600, 1200
# Blue tells the versions apart, red and green where in the photo a pixel is.
BLUE = {"before": 0, "half": 128, "after": 250}


def version(name: str) -> Version:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    blue = np.full_like(rows, BLUE[name])
    pixels = np.dstack((columns * 255 // WIDTH, rows * 255 // HEIGHT, blue)).astype(np.uint8)
    return Version(name, f"{name}.png", Photo(pixels))


class Tab:
    """A page in a tab, and what one does to it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    @property
    def label(self) -> str:
        return str(self.find("canvas").get_attribute("aria-label"))

    @property
    def zoom(self) -> str:
        return str(self.find("output").text)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def actions(self) -> Any:
        from selenium.webdriver.common.action_chains import ActionChains

        return ActionChains(self.driver, duration=20)

    def press(self, key: str) -> None:
        self.actions().send_keys(key).perform()

    def pixel(self, x: float, y: float = 0.5) -> tuple[int, int, int]:
        """Returns the colour at a place of the canvas, in shares of its size."""
        script = (
            "const c = document.querySelector('canvas'), [x, y] = arguments;"
            "const { data } = c.getContext('2d').getImageData(c.width * x, c.height * y, 1, 1);"
            "return [...data].slice(0, 3)"
        )
        return tuple(self.driver.execute_script(script, x, y))

    def version_at(self, x: float, y: float = 0.5) -> str:
        return min(BLUE, key=lambda name: abs(BLUE[name] - self.pixel(x, y)[2]))

    def until(self, is_so: Callable[[], bool]) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 20, poll_frequency=0.05).until(lambda _: is_so())

    def settle(self) -> None:
        """Waits until nothing is being decoded or drawn any more."""
        self.driver.execute_async_script(
            "const done = arguments[0]; let before = '';"
            "const look = () => { const now = document.querySelector('canvas').toDataURL();"
            "now === before ? done() : (before = now, setTimeout(look, 120)); }; look();"
        )


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("viewer")
    torch.set_num_threads(1)  # as in every test, but earlier
    photos = [
        PhotoComparison("first.png", [version(name) for name in BLUE]),
        NotShown("broken.png", "is not a photo"),
        PhotoComparison("second.png", [version("before"), version("after")]),
    ]
    write_comparison(folder / "page.html", photos, 3, title="three photos")
    with browser(folder / "profile") as driver:
        driver.page = (folder / "page.html").as_uri()
        yield driver


@pytest.fixture
def tab(driver: Any) -> Tab:
    driver.get(driver.page)
    tab = Tab(driver)
    tab.until(lambda: tab.version_at(0.3) == "before" and tab.version_at(0.7) == "after")
    return tab


def canvas_width(tab: Tab) -> int:
    return int(tab.find("canvas").rect["width"])


def test_the_line_is_dragged(tab):
    assert tab.version_at(0.55) == "after"
    tab.actions().drag_and_drop_by_offset(tab.find("canvas"), round(canvas_width(tab) * 0.2), 0).perform()
    tab.until(lambda: tab.version_at(0.55) == "before" and tab.version_at(0.75) == "after")
    assert 65 < float(tab.find(".split").get_property("value")) < 75


def test_the_range_below_moves_the_line(tab):
    from selenium.webdriver.common.keys import Keys

    tab.find(".split").send_keys(Keys.HOME)
    tab.until(lambda: tab.version_at(0.3) == "after")


def test_keys_flip_and_choose(tab):
    from selenium.webdriver.common.keys import Keys

    tab.actions().key_down(Keys.SPACE).perform()
    tab.until(lambda: tab.version_at(0.7) == "before")
    tab.actions().key_up(Keys.SPACE).perform()
    tab.until(lambda: tab.version_at(0.7) == "after")
    tab.press("2")
    tab.until(lambda: tab.version_at(0.7) == "half")
    assert "before | half" in tab.label


def test_the_button_flips_while_it_is_held(tab):
    tab.actions().click_and_hold(tab.find(".flip")).perform()
    tab.until(lambda: tab.version_at(0.7) == "before")
    tab.actions().release().perform()
    tab.until(lambda: tab.version_at(0.7) == "after")


def test_any_two_versions_meet(tab):
    from selenium.webdriver.support.ui import Select

    Select(tab.find(".left")).select_by_visible_text("half")
    tab.until(lambda: tab.version_at(0.3) == "half" and tab.version_at(0.7) == "after")


@pytest.mark.parametrize("zoom", [1, 2, 4, 8])
def test_all_panes_show_the_same_place_at_every_zoom(tab, zoom):
    tab.find(f'[data-zoom="{zoom}.0"]').click()
    tab.press("s")
    tab.settle()
    assert tab.zoom == f"{zoom * 100} %"
    places = [(pane + share) / 3 for pane in range(3) for share in (0.2, 0.5, 0.8)]
    assert [tab.version_at(place) for place in places] == [name for name in BLUE for _ in range(3)]
    for first, second, third in zip(places[:3], places[3:6], places[6:], strict=True):
        seen = np.array([tab.pixel(place)[:2] for place in (first, second, third)])
        assert np.ptp(seen, axis=0).max() <= 4


def test_a_pixel_is_as_large_as_the_zoom_says(tab):
    tab.find('[data-zoom="1.0"]').click()
    tab.settle()
    red = [tab.pixel(place)[0] for place in (0.6, 0.9)]
    across = 0.3 * canvas_width(tab)
    assert (red[1] - red[0]) * WIDTH / 255 == pytest.approx(across, rel=0.05)


def test_the_wheel_zooms_about_the_pointer_up_to_800_percent(tab):
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    tab.settle()
    before = tab.pixel(0.6)
    origin = ScrollOrigin.from_element(tab.find("canvas"), round(0.1 * canvas_width(tab)), 0)
    tab.actions().scroll_from_origin(origin, 0, -300).perform()
    tab.settle()
    assert tab.zoom not in ("Fit", "800 %")
    assert np.abs(np.subtract(tab.pixel(0.6), before)).max() <= 4
    tab.actions().scroll_from_origin(origin, 0, -3000).perform()
    tab.until(lambda: tab.zoom == "800 %")


def test_dragging_elsewhere_moves_the_photo(tab):
    tab.find('[data-zoom="2.0"]').click()
    tab.settle()
    before, width = tab.pixel(0.8), canvas_width(tab)
    start = tab.actions().move_to_element_with_offset(tab.find("canvas"), round(0.3 * width), 0)
    start.click_and_hold().move_by_offset(round(-0.2 * width), 0).release().perform()
    tab.settle()
    assert np.abs(np.subtract(tab.pixel(0.6), before)).max() <= 4
    assert tab.version_at(0.49) == "before"  # the line stayed


def test_two_fingers_zoom_and_one_moves(tab):
    box = tab.find("canvas").rect
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}

    def touch(kind: str, *offsets: int) -> None:
        points = [
            {"x": middle["x"] + dx, "y": middle["y"], "id": number} for number, dx in enumerate(offsets)
        ]
        tab.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    whole = int(tab.zoom.split()[0])
    touch("touchStart", -60, 60)
    touch("touchMove", -120, 120)
    touch("touchMove", -180, 180)
    touch("touchEnd")
    tab.until(lambda: abs(int(tab.zoom.split()[0]) - 3 * whole) <= 3)
    place = tab.label
    touch("touchStart", 100)
    touch("touchMove", 150)
    touch("touchEnd")
    tab.until(lambda: tab.label != place)


def test_crops_are_looked_at_in_turn(driver, tab, tmp_path):
    noisy = version("before").photo.pixels
    noisy[600:1100, 900:1400] = np.random.default_rng(0).integers(0, 255, (500, 500, 3))
    photos = PhotoComparison("crops", [Version("before", "b", Photo(noisy)), version("after")])
    write_comparison(tmp_path / "p.html", [photos], 1, title="crops")
    driver.get((tmp_path / "p.html").as_uri())
    button = tab.find(".regions button")
    button.click()
    tab.until(lambda: button.get_attribute("aria-pressed") == "true")
    assert tab.zoom == "100 %"
    tab.press("c")
    tab.until(lambda: tab.find(".regions button:nth-child(2)").get_attribute("aria-pressed") == "true")


def test_pixels_that_are_not_the_photos_own_are_told(driver, tab, tmp_path):
    noisy, after = (version(name).photo.pixels for name in ("before", "after"))
    noise = np.random.default_rng(0).integers(-40, 40, (HEIGHT, 600, 3))
    noisy[:, 1000:] = after[:, 1000:] = (noisy[:, 1000:] + noise).clip(0, 255)
    after[:, 1000:] //= 2
    photos = PhotoComparison(
        "noise", [Version("before", "b", Photo(noisy)), Version("after", "a", Photo(after))]
    )
    write_comparison(tmp_path / "p.html", [photos], 1, title="little room", most_megabytes=0.5)
    driver.get((tmp_path / "p.html").as_uri())
    tab.find(".regions button").click()
    tab.until(lambda: tab.zoom == "100 %")
    tab.find("canvas").send_keys("\ue012" * 15)  # to the left, away from all crops
    tab.until(lambda: tab.zoom.startswith("100 %, from "))


def test_photos_are_a_key_or_a_click_away(tab):
    for change in (lambda: tab.press("n"), lambda: tab.find(".photos button:first-child").click()):
        change()
        shown = [s.find_element("css selector", "h2").text for s in visible_sections(tab)]
        assert shown == [tab.label.partition(":")[0]]
    assert tab.label.startswith("first.png")
    assert "broken.png" in tab.find("body").text


def visible_sections(tab: Tab) -> list[Any]:
    return [s for s in tab.driver.find_elements("css selector", ".facts") if s.is_displayed()]


def test_nothing_is_asked_of_the_network_and_nothing_complained_of(tab):
    tab.driver.get_log("performance")  # what the browser's own first tab asked for
    tab.driver.refresh()
    tab.find('[data-zoom="8.0"]').click()
    tab.press("s")
    tab.press("n")
    tab.settle()
    messages = [json.loads(entry["message"])["message"] for entry in tab.driver.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if url.startswith("file:")]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    said = tab.driver.get_log("browser")
    # Chromium minds that the test reads the canvas.
    assert [message for message in said if message["source"] != "rendering"] == []


@pytest.mark.parametrize("width", [360, 1200])
def test_it_is_readable_at_every_width(driver, width):
    size = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(driver.page)
    tab = Tab(driver)
    tab.until(lambda: tab.version_at(0.7) == "after")
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    sizes = driver.execute_script(
        "return [...document.querySelectorAll('body *')].filter(e => e.offsetParent && e.textContent.trim())"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 10
    assert canvas_width(tab) > 0.85 * width
    for control in driver.find_elements("css selector", ".viewer button, .viewer select"):
        box = control.rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
