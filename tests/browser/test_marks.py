"""Marks of a chart as a browser draws them: gathered where they are close, great ones labelled, no label over another."""

import mimetypes
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page, Route

from apps.metrics.board import Chart
from apps.metrics.figures import draw
from apps.metrics.kernel import Unit
from apps.metrics.limits_drawn import Judged
from apps.metrics.lines import Line
from apps.metrics.marks import Mark
from apps.metrics.ranges import Range

STATIC = Path(__file__).parents[2] / "static"
START = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
WITHIN = Range(START, START + timedelta(hours=1))
CHART = Chart("lag", "Replay lag", Unit.SECONDS, ("lag",))
SITE = "http://charts.test/"
FRAME = """<html data-theme="light"><body><script src="/plotly.js"></script>
<style>.chart { height: 232px; width: %dpx } body, figure { margin: 0 }</style>%s
<script type="module" src="/charts.js"></script></body></html>"""
BOXES = """() => [...document.querySelectorAll('.annotation')].map((one) => {
  const box = one.querySelector('text').getBoundingClientRect();
  return [one.textContent, box.left, box.top, box.right, box.bottom];
})"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of charts without the portal around it."""
    context = chromium.new_context(timezone_id="UTC")
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    yield page
    context.close()


def shown(page: Page, marked: Sequence[Mark], width: int) -> list[tuple[str, float, float, float, float]]:
    """The texts over and beside the lines, each with its box on the screen."""
    times = [START.timestamp() + 10 * place for place in range(360)]
    line = Line("lag", "lab-primary", "", times, [float(place % 7 + place // 359) for place in range(360)])
    drawing = draw(CHART, [line], WITHIN, ["lab-primary"], Judged(None), marked=marked)
    figure = render_to_string("metrics/board.html#chart", {"drawing": drawing, "base": "/", "page": {"within": WITHIN}})
    html = FRAME % (width, figure)

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(SITE)
        path = STATIC / ("vendor/plotly-basic.min.js" if name == "plotly.js" else name)
        if name:
            route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(path.name)[0])
        else:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")

    page.route(f"{SITE}**", answer)
    page.set_viewport_size({"width": width, "height": 700})
    page.goto(SITE)
    page.wait_for_function("() => document.querySelector('.scatterlayer path.js-line')")
    return [tuple(one) for one in page.evaluate(BOXES)]


def at(minutes: float, label: str, **more: object) -> Mark:
    """A mark so many minutes after the start of the chart."""
    moment = START + timedelta(minutes=minutes)
    return Mark(moment, label, f"{label} in full.", **{"of": "Deed", **more})  # type: ignore[arg-type]


def alert(minutes: float, number: int) -> Mark:
    """An alert that opened then."""
    return at(minutes, f"Check {number}", of="Alert opened", small=True, state="warn")


SIGNED = [
    at(10, "Backend lead: go"),
    at(12, "DBA: go"),
    at(14, "DevOps: no go, wait"),
    at(57, "Week 3 started, at the end"),
]


@pytest.mark.parametrize("width", [640, 358])
def test_great_marks_keep_their_words_beside_many_alerts_and_no_label_covers_another(page: Page, width: int) -> None:
    boxes = shown(page, SIGNED + [alert(number * 1.4, number) for number in range(40)], width)
    texts = " ".join(text for text, *_box in boxes)
    for mark in SIGNED:
        assert mark.label[:14] in texts
    for (one, *a), (other, *b) in combinations(boxes, 2):
        assert a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 2 or b[3] <= a[1] + 2, f"{one} covers {other}"
    assert all(left >= 0 and right <= width and top >= 0 for _text, left, top, right, _bottom in boxes)


def test_close_marks_are_one_that_says_how_many_and_of_what(page: Page) -> None:
    marked = [alert(30, 1), alert(30.1, 2), at(30.2, "Check 1 over", of="Alert closed", small=True)]
    texts = [text for text, *_box in shown(page, marked, 640)]
    assert texts.count("Check 1 +2") == 1
    assert len(texts) == 2  # and the line's own
    page.locator(".annotation", has_text="Check 1 +2").locator("text").hover()
    page.wait_for_selector(".hoverlayer text")
    told = page.locator(".hoverlayer").text_content() or ""
    assert "3 marks: 2 × Alert opened, 1 × Alert closed" in told
    assert "Check 2 in full." in told
    page.get_by_text("Figures").click()
    row = page.locator("td.marked").text_content() or ""  # one: more would be an error
    assert row.startswith("3 marks: 2 × Alert opened, 1 × Alert closed. ")
    assert all(mark.text in row for mark in marked)


def test_a_hostile_label_is_text(page: Page) -> None:
    texts = [text for text, *_box in shown(page, [at(30, "<b>x</b> &amp;")], 640)]
    assert "<b>x</b> &amp;" in texts
