"""The floor of a page: a bare Django page for a person who is logged in, with as many queries as are asked for."""

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

from apps.metrics.models import Node

PAGE = """<!doctype html><html lang="en"><head><title>{{ person }}</title></head><body><h1>{{ person }}</h1>
<table>
{% for node in nodes %}<tr><td>{{ node.name }}</td><td>{{ node.kind }}</td><td>{{ node.created_at|date:"c" }}</td></tr>{% endfor %}
</table>
</body></html>"""
_template = engines["django"].from_string(PAGE)
OWN = 2  # the session and the person


def page(request: HttpRequest, queries: int) -> HttpResponse:
    """A page of `queries` queries in all: session and person, then one row by primary key each."""
    person = request.user.get_username()
    nodes = [Node.objects.filter(pk=1 + n).first() for n in range(max(queries - OWN, 0))]
    return HttpResponse(_template.render({"person": person, "nodes": nodes}, request))


urlpatterns = [path("<int:queries>/", page)]
