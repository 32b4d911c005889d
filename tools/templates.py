"""Every template compiles, names addresses that exist, and keeps the rules of the page: `python -m tools.templates`.

The content security policy allows no inline script and no inline style, and htmx runs with `allowEval: false`, under which
its evaluated features fail silently. A rule that fails silently in the browser is held here.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import django
from django.template import TemplateSyntaxError, engines
from django.template.base import Lexer, TokenType
from django.urls import URLResolver, get_resolver

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Rule:
    """What a template must not contain, and what to write instead."""

    pattern: re.Pattern[str]
    remedy: str


def _rule(pattern: str, remedy: str) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), remedy)


RULES = (
    _rule(r"hx-on[:=\-\w]*\s*=", "hx-on is evaluated and fails silently here: listen for the event in static/app.js"),
    _rule(r"(?<![-\w])hx-[a-z]", "write data-hx-…: the page is valid HTML"),
    _rule(
        r"""data-hx-trigger\s*=\s*"[^"]*\[""",
        "a trigger filter is evaluated and fails silently here: decide in static/app.js",
    ),
    _rule(
        r"""data-hx-(vals|headers|vars|request)\s*=\s*["']\s*(js|javascript):""",
        "js: values are evaluated: send plain JSON",
    ),
    _rule(
        r"""(href|src|action)\s*=\s*["']\s*javascript:""",
        "a javascript: address is blocked: use a button and static/app.js",
    ),
    _rule(r"<style[\s>]", "inline styles are blocked: write them in static/app.css"),
    _rule(r"<[^>{%]*\sstyle\s*=", "inline styles are blocked: use a class of static/app.css"),
    _rule(
        r"""<script(?![^>]*(\ssrc=|type=["']application/json))""",
        "inline scripts are blocked: write them in static/app.js",
    ),
    _rule(r"""<[a-z][^>{%]*\son[a-z]+\s*=""", "inline handlers are blocked: listen for the event in static/app.js"),
    _rule(
        r"""(src|href)\s*=\s*["'](https?:)?//""",
        "nothing is loaded from elsewhere, and links leave only through a variable",
    ),
)


def template_files() -> list[tuple[str, Path]]:
    """Name and path of every template of ours."""
    folders = [ROOT / "templates", *sorted(ROOT.glob("apps/*/templates"))]
    return [
        (path.relative_to(folder).as_posix(), path)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def broken_rules(source: str) -> Iterator[tuple[int, str]]:
    """Line and remedy of each place that breaks a rule.

    >>> list(broken_rules('<p>\\n<b hx-get="/x">'))
    [(2, 'write data-hx-…: the page is valid HTML')]
    """
    for rule in RULES:
        for found in rule.pattern.finditer(source):
            yield source.count("\n", 0, found.start()) + 1, rule.remedy


def unknown_addresses(source: str) -> Iterator[tuple[int, str]]:
    """Line and complaint of each `{% url %}` whose name, or number of arguments, no route has."""
    for token in Lexer(source).tokenize():
        words = token.split_contents() if token.token_type == TokenType.BLOCK else [""]
        if words[0] != "url" or words[1][0] not in "\"'":
            continue
        name, given = words[1].strip("\"'"), words[2:]
        arguments = given[: given.index("as")] if "as" in given else given
        names = {word.partition("=")[0] for word in arguments if "=" in word}
        routes = route_parameters(name)
        if not routes:
            yield token.lineno or 0, f"no route is named {name!r}"
        elif not any(names == set(route) if names else len(arguments) == len(route) for route in routes):
            wanted = " or ".join(f"({', '.join(route)})" for route in routes)
            yield token.lineno or 0, f"the route {name!r} takes {wanted}"


def route_parameters(name: str) -> list[tuple[str, ...]]:
    """The parameters of each route of this name, `namespace:name` included; empty when there is none."""
    *namespaces, last = name.split(":")
    resolver: URLResolver = get_resolver()
    outer: tuple[str, ...] = ()
    for namespace in namespaces:
        if namespace not in resolver.namespace_dict:
            return []
        prefix, resolver = resolver.namespace_dict[namespace]
        outer += tuple(re.findall(r"%\((\w+)\)s", prefix))
    return [outer + tuple(found[0][0][1]) for found in resolver.reverse_dict.getlist(last)]


def complaints() -> list[str]:
    """One line for each thing wrong in each template: file, line, what and the remedy."""
    found = []
    for name, path in template_files():
        source, place = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
        try:
            if path.suffix == ".html":
                engines["django"].get_template(name)
        except TemplateSyntaxError as error:
            found.append(f"{place}: does not compile: {error}")
            continue
        found += [
            f"{place}:{line}: {what}" for line, what in sorted([*broken_rules(source), *unknown_addresses(source)])
        ]
    return found


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    django.setup()
    wrong = complaints()
    sys.exit("\n".join(wrong) if wrong else 0)
