"""The house's own rules notice what they are there for."""

from pathlib import Path

import pytest

from tools import house

ROOMS = {"queries": "__init__ probes migrations/*"}


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    room = tmp_path / "queries"
    room.mkdir()
    (room / "__init__.py").write_text('"""Watches queries."""\n')
    (room / "probes.py").touch()
    return tmp_path


def test_this_house_is_in_order() -> None:
    assert house.misplaced() == []
    assert house.dependent() == []


def test_a_house_in_order_says_nothing(apps: Path) -> None:
    assert house.misplaced(apps, ROOMS) == []


def test_an_unlisted_module_is_named_with_what_to_do(apps: Path) -> None:
    (apps / "queries" / "shapes.py").touch()
    assert house.misplaced(apps, ROOMS) == [
        "apps/queries/shapes.py has no place: add 'shapes' to 'queries' in ROOMS of tools/house.py."
    ]


def test_a_listed_folder_may_hold_more_of_its_kind_but_not_another_folder(apps: Path) -> None:
    for name in ("migrations", "readers"):
        (apps / "queries" / name).mkdir()
        (apps / "queries" / name / "one.py").touch()
    assert len(house.misplaced(apps, ROOMS)) == 1


def test_a_nameless_module_is_refused_even_where_it_is_listed(apps: Path) -> None:
    (apps / "queries" / "utils.py").touch()
    assert "named for what it knows" in house.misplaced(apps, {"queries": "__init__ probes utils"})[0]


def test_an_unlisted_room_is_named(apps: Path) -> None:
    (apps / "kafka").mkdir()
    (apps / "kafka" / "__init__.py").touch()
    assert house.misplaced(apps, ROOMS)[0].startswith("apps/kafka/ is no room of the house")


def test_a_room_that_does_not_say_what_it_is_for_is_named(apps: Path) -> None:
    (apps / "queries" / "__init__.py").write_text("")
    assert "does not say what this room watches" in house.misplaced(apps, ROOMS)[0]


def test_a_listed_room_that_is_gone_is_named(apps: Path) -> None:
    assert house.misplaced(apps, ROOMS | {"pools": "__init__"}) == [
        "apps/pools/ is listed in ROOMS of tools/house.py and does not exist: take it off the list."
    ]
