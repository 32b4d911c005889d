"""What rows look like, learned from the first one: tuples, mappings, model instances or bare keys, made into tuples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from django.db import connections, models
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from apps.batch.tables import Refused

Convert = Callable[[Any], Any]
Tuples = Callable[[Sequence[Any]], Sequence[Sequence[Any]]]
# Fields whose values travel as they are; every other field prepares its value as in `save`.
AS_IS: tuple[type[models.Field[Any, Any]], ...] = (
    *(models.AutoField, models.BigAutoField, models.SmallAutoField),
    *(models.IntegerField, models.BigIntegerField, models.SmallIntegerField),
    *(models.PositiveIntegerField, models.PositiveBigIntegerField, models.PositiveSmallIntegerField),
    *(models.BooleanField, models.FloatField, models.DecimalField, models.BinaryField, models.UUIDField),
    *(models.CharField, models.TextField, models.SlugField, models.EmailField, models.URLField),
    *(models.DateField, models.DateTimeField, models.TimeField, models.DurationField),
)


class Unfit(ValueError):
    """A row that does not fit its table, noticed before it was sent."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns a run writes and how its rows become tuples of them."""

    columns: tuple[str, ...]
    tuples: Tuples


def shape_of(first: Any, columns: Sequence[str] | None, model: type[models.Model] | None, using: str) -> Shape:
    """The shape of rows like the first one. `columns`: as the caller named them, by field where there is a model."""
    if isinstance(first, models.Model):
        if model is None or not isinstance(first, model):
            raise Refused(f"Rows are {type(first).__name__}, the target is {model.__name__ if model else 'a table'}.")
        return _of_instances(first, columns, using)
    if isinstance(first, Mapping):
        names = tuple(columns or map(str, first))
        take = _mappings(names, strict=columns is None)
    else:
        if columns is None:
            raise Refused("Rows without names need columns=(…), in the order of their values.")
        names, take = tuple(columns), _plain(len(columns), scalar=not isinstance(first, (tuple, list)))
    return Shape(names, take) if model is None else _of_model(model, names, take, using)


def _plain(width: int, *, scalar: bool) -> Tuples:
    def tuples(rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        if scalar:
            return [(row,) for row in rows]
        if set(map(len, rows)) != {width}:
            raise Unfit(f"The row does not have {width} values, one for each column.")
        return rows

    return tuples


def _mappings(names: tuple[str, ...], *, strict: bool) -> Tuples:
    get = itemgetter(*names)

    def tuples(rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        if strict and set(map(len, rows)) != {len(names)}:
            raise Unfit(f"The row's names are not those of the first row: {', '.join(names)}.")
        try:
            return [(get(row),) for row in rows] if len(names) == 1 else [get(row) for row in rows]
        except KeyError as error:
            raise Unfit(f"The row has no {error}.") from error

    return tuples


def fields_of(model: type[models.Model]) -> dict[str, models.Field[Any, Any]]:
    """The fields of a model that are columns of its own table, by name and by attribute. Raises Refused for inherited ones."""
    meta = model._meta  # noqa: SLF001  Django's documented API
    if meta.parents:
        raise Refused(f"{model.__name__} is spread over the tables of its parents; write to each table by its name.")
    stored = [field for field in meta.concrete_fields if not field.generated]
    return {name: field for field in stored for name in (field.name, field.attname)}


def _of_model(model: type[models.Model], names: tuple[str, ...], take: Tuples, using: str) -> Shape:
    """Rows of a model without instances: values of unusual fields are prepared, absent ones get their Python default."""
    known = fields_of(model)
    if strange := [name for name in names if name not in known]:
        raise Refused(f"{model.__name__} has no field {', '.join(strange)}; it has {', '.join(known)}.")
    fields = [known[name] for name in names]
    absent = [
        (field, make) for field in dict.fromkeys(known.values()) if field not in fields and (make := _default(field))
    ]
    convert = _converters([*fields, *(field for field, _ in absent)], using)
    columns = tuple(str(field.column) for field in [*fields, *(field for field, _ in absent)])
    makers = [make for _, make in absent]

    def tuples(rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        taken = take(rows)
        if makers:
            taken = [(*row, *(make() for make in makers)) for row in taken]
        return _converted(taken, convert)

    return Shape(columns, tuples)


def _of_instances(first: models.Model, names: Sequence[str] | None, using: str) -> Shape:
    known = fields_of(type(first))
    fields = [known[name] for name in names] if names else list(dict.fromkeys(known.values()))
    if names is None:  # what the database gives itself
        fields = [
            field
            for field in fields
            if not (field.primary_key and first.pk is None)
            and not isinstance(getattr(first, field.attname), DatabaseDefault)
        ]
    get, single = attrgetter(*(field.attname for field in fields)), len(fields) == 1
    convert = _converters(fields, using)
    timed = [field for field in fields if _stamped(field)]

    def tuples(rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        for field in timed:
            for row in rows:
                field.pre_save(row, add=row._state.adding)  # noqa: SLF001  documented
        return _converted([(get(row),) if single else get(row) for row in rows], convert)

    return Shape(tuple(str(field.column) for field in fields), tuples)


def _stamped(field: models.Field[Any, Any]) -> bool:
    return bool(getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))


def _default(field: models.Field[Any, Any]) -> Callable[[], Any] | None:
    """Makes the value of a field that a row does not have; None where the database or nobody does."""
    if _stamped(field):
        return timezone.now if isinstance(field, models.DateTimeField) else timezone.localdate
    return field.get_default if field.has_default() else None


def _converters(fields: Sequence[models.Field[Any, Any]], using: str) -> list[tuple[int, Convert]]:
    connection = connections[using]

    def prepare(field: models.Field[Any, Any]) -> Convert:
        return lambda value: field.get_db_prep_save(value, connection)

    found = []
    for place, field in enumerate(fields):
        stored = field
        while isinstance(stored, models.ForeignKey):
            stored = stored.target_field
        if type(stored) not in AS_IS:
            found.append((place, prepare(stored)))
    return found


def _converted(rows: Sequence[Sequence[Any]], convert: Sequence[tuple[int, Convert]]) -> Sequence[Sequence[Any]]:
    if not convert:
        return rows
    made = []
    for row in rows:
        values = list(row)
        for place, prepare in convert:
            values[place] = prepare(values[place])
        made.append(values)
    return made
