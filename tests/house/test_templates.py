"""The rules for templates find what would fail silently in the browser, and leave the rest alone."""

import pytest

from tools import templates


@pytest.mark.parametrize(
    "source",
    [
        '<button hx-on:click="go()">',
        '<button data-hx-on="click: go()">',
        '<a hx-get="/x">',
        '<div data-hx-trigger="click[ctrlKey]">',
        "<div data-hx-vals='js:{a: 1}'>",
        '<a href="javascript:go()">',
        "<style>p {}</style>",
        '<p class="a" style="color: red">',
        "<script>go()</script>",
        '<script nonce="{{ nonce }}">go()</script>',
        '<p onclick="go()">',
        '<link href="https://fonts.example/x.css">',
        '<script src="//cdn.example/x.js"></script>',
    ],
)
def test_it_is_found(source: str) -> None:
    found = list(templates.broken_rules(f"<!doctype html>\n{source}"))
    assert found
    assert {line for line, _ in found} == {2}


@pytest.mark.parametrize(
    "source",
    [
        '<a data-hx-get="{% url "x" %}" data-hx-trigger="every 5s">',
        '<script src="{% static "app.js" %}" defer></script>',
        '<script type="application/json" id="figure">{}</script>',
        "<p>Run this once: it is done on the primary = fast</p>",
        '<svg viewBox="0 0 1 1" xmlns="http://www.w3.org/2000/svg"></svg>',
        '<a href="{{ repository }}">the repository</a>',
        "{% if only = 1 %}{% endif %}",
    ],
)
def test_it_is_left_alone(source: str) -> None:
    assert list(templates.broken_rules(source)) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% url 'healthz' %}", []),
        ("{% url 'healthz' as address %}", []),
        ("{% url name_in_a_variable %}", []),
        ("{% url 'helthz' %}", [(1, "no route is named 'helthz'")]),
        ("\n{% url 'nowhere:at_all' %}", [(2, "no route is named 'nowhere:at_all'")]),
        ("{% url 'healthz' tier %}", [(1, "the route 'healthz' takes ()")]),
        ("{% url 'healthz' tier=tier %}", [(1, "the route 'healthz' takes ()")]),
    ],
)
def test_addresses_are_looked_up(source: str, said: list[tuple[int, str]]) -> None:
    assert list(templates.unknown_addresses(source)) == said


def test_every_template_of_ours_is_in_order() -> None:
    assert templates.complaints() == []
