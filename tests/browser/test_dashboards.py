"""The six dashboards as a DBA reads them: verdict, state, charts that are drawn, tables, evidence, range, files."""

import csv
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.roles import Role
from tests.browser.conftest import PHONE, WIDE, People
from tests.conftest import Until

ROOMS = ("queries", "replicas", "pools", "cache", "ratelimits", "partitions")
DRAWN = """() => [...document.querySelectorAll('.chart')].filter((chart) =>
    [...chart.querySelectorAll('.scatterlayer path.js-line')].some((line) => /L/.test(line.getAttribute('d')))).length"""


BEYOND = """[...document.querySelectorAll('section.table-card:has(.beyond)')].filter((card) => card.querySelector(':scope > .scroll'))
    .map((card) => [card.querySelector('.scroll'), card.querySelector('.beyond')])
    .map(([box, hint]) => [box.scrollWidth - box.clientWidth - box.scrollLeft > 2, getComputedStyle(hint).display !== 'none'])"""


# how many minutes ago each chart begins and ends, by its axis as it is written there
AGES = """[...document.querySelectorAll('.js-plotly-plot')].map((chart) =>
    chart._fullLayout.xaxis.range.map((text) => (Date.now() - new Date(text.replace(' ', 'T'))) / 60000))"""
CROSSED = """[...document.querySelectorAll('.js-plotly-plot')].map((chart) =>
    [...chart.querySelectorAll('.spikeline')].find((line) => line.getAttribute('x1') === line.getAttribute('x2')))
    .filter(Boolean).map((line) => Number(line.getAttribute('x1')))"""


def charts_are_drawn(page: Page, least: int = 2) -> None:
    """Lines with points in so many charts; not merely frames."""
    page.wait_for_function(f"() => ({DRAWN})() >= {least}")


@pytest.mark.parametrize("room", ROOMS)
def test_a_dba_reads_a_dashboard(person: People, room: str) -> None:
    page = person(Role.DBA, f"/t/lab/{room}/?range=15m")
    expect(page.locator("h1")).to_have_text(re.compile(r"^\S.{10,}\.$"))
    state = page.get_by_role("list", name="State").get_by_role("listitem")
    assert state.count() >= 3
    expect(state.first.locator(".fact-age")).to_have_text(re.compile(r"ago$"))
    charts_are_drawn(page)
    expect(page.locator("table[id^=table-]:not(#table-checks) tbody tr").first).to_be_visible()
    assert page.locator("table[id^=table-]:not(#table-checks) tbody td:empty").count() == 0  # nothing to say is a dash

    checks = page.locator("#table-checks tbody tr")
    assert checks.count() >= 5
    first = checks.first
    expect(first.locator("td").nth(4)).not_to_be_empty()
    first.get_by_text("How do we know?").click()
    evidence = page.locator("#table-checks tr.inner")
    expect(evidence).to_contain_text("What to do")
    expect(evidence.locator("pre").first).not_to_be_empty()


def test_the_address_is_a_permalink(person: People, until: Until) -> None:
    page = person(Role.DBA, "/t/lab/replicas/")
    charts_are_drawn(page)
    page.get_by_label("Time range").select_option("15m")
    expect(page).to_have_url(re.compile(r"/t/lab/replicas/\?range=15m$"))
    other = person(Role.LEAD, page.url)
    assert other.get_by_label("Time range").input_value() == "15m"

    # A range marked in a chart is one with a beginning and an end, for whoever opens its address.
    box = page.locator(".chart .nsewdrag").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 60, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile("from="))
    marked = parse_qs(urlsplit(page.url).query)
    assert set(marked) == {"from", "to"}
    other.goto(page.url)
    charts_are_drawn(other, 1)
    marks = "() => document.querySelector('.chart').layout.xaxis.range.join()"
    until(lambda: page.evaluate(marks) == other.evaluate(marks))


def test_charts_are_in_the_reader_s_zone(person: People) -> None:
    page = person(Role.DBA)
    page.context.new_cdp_session(page).send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
    page.goto("/t/lab/queries/?range=15m")
    charts_are_drawn(page)
    assert page.evaluate(f"{AGES}.every(([from, to]) => from > 14 && from < 17 && to > -1 && to < 2)"), page.evaluate(
        AGES
    )

    box = page.locator(".chart .nsewdrag").first.bounding_box()
    assert box
    page.mouse.move(
        box["x"] + box["width"] - 8, box["y"] + 60, steps=3
    )  # where lines are, however lately the portal was started
    page.wait_for_function(f"() => {CROSSED}.length > 1")
    places = page.evaluate(CROSSED)
    assert max(places) - min(places) < 2, places  # the crosshair stands at the same moment in every chart

    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 60, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile("from="))
    marked = datetime.fromisoformat(parse_qs(urlsplit(page.url).query)["from"][0])
    assert timedelta(minutes=2) < datetime.now(UTC) - marked < timedelta(minutes=6)


def test_every_table_and_chart_comes_as_a_file(person: People, tmp_path: Path) -> None:
    page = person(Role.DBA)
    for room in ROOMS:
        page.goto(f"/t/lab/{room}/?range=15m")
        for link in page.locator("a[download]").evaluate_all("(links) => links.map((link) => link.href)"):
            answer = page.request.get(link)
            assert answer.ok, link
            if ".json" in link:
                json.loads(answer.body())
            else:
                rows = list(csv.reader(answer.text().splitlines()))
                assert len({len(row) for row in rows}) == 1, link
    with page.expect_download() as download:
        page.locator("section.table-card a[download]", has_text="CSV").first.click()
    download.value.save_as(tmp_path / "table.csv")
    assert len((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()) > 1


def test_tables_of_queries_fit_their_frame_or_say_that_there_is_more(person: People) -> None:
    page = person(Role.DBA, "/t/lab/queries/")
    frames = page.locator("section.table-card:has(.beyond)")
    expect(frames.first).to_be_visible()
    for size in (WIDE, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.wait_for_function(f"() => {BEYOND}.every(([more, told]) => more === told)")
        lines = page.locator("table a.clip, table summary.clip").evaluate_all(
            "(all) => all.map((one) => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight))"
        )
        assert lines
        assert max(lines) < 2.5
    assert any(more for more, _told in page.evaluate(f"() => {BEYOND}"))  # a phone is too narrow for some
    name = frames.locator(".scroll[data-beyond]").first.get_attribute("id")
    page.locator(f"#{name}").evaluate("(one) => one.scrollTo(one.scrollWidth, 0)")
    expect(page.locator(f"section:has(#{name}) .beyond")).to_be_hidden()


def test_a_long_text_unfolds_where_it_stands_and_stays_so(person: People) -> None:
    page = person(Role.DBA, "/t/lab/queries/")
    text = page.locator("details.whole > summary").first
    kept = text.locator("..").get_attribute("id")
    text.click()
    with page.expect_response(lambda answer: "version=" in answer.url and answer.status == 200):
        pass
    expect(page.locator(f"#{kept}")).to_have_attribute("open", "")
