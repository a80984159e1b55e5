"""Queries whose SQL Django makes once for a process, for the few that run with every event.

A short query of an indexed row takes SQLite 0.03 ms and Django 0.3 to 1.8 ms, nearly all of it to make the same SQL
anew; what came of it is in docs/performance.md. The queries stay querysets, so models and both databases are Django's
matter as ever.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.sql import InsertQuery, UpdateQuery

from openhands_site.once import once


class Parameter(Expression):
    """A value that is given anew each time, by its name; `field` says how the database takes it."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def value(self, given: dict[str, Any], own: Any) -> Any:
        return self.output_field.get_db_prep_save(given[self.name], own)


class _Statement:
    """SQL with its parameters, made when it is needed first: by then the settings say which database there is."""

    def __init__(self, compiled: Callable[[], tuple[str, Sequence[Any]]]) -> None:
        self._compiled = once(compiled)

    def rows(self, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        with self._asked(given) as cursor:
            return list(cursor.fetchall())

    def count(self, given: dict[str, Any]) -> int:
        with self._asked(given) as cursor:
            return int(cursor.rowcount)

    def send(self, given: dict[str, Any]) -> None:
        """Nobody asks what came of it: an error may come with a later statement, at the latest with COMMIT."""
        own: Any = connections[DEFAULT_DB_ALIAS]
        own.send_later(*self.filled(given, own))

    @contextmanager
    def _asked(self, given: dict[str, Any]) -> Iterator[Any]:
        own: Any = connections[DEFAULT_DB_ALIAS]  # the thread's; asked once, for each question costs
        with own.cursor() as cursor:
            cursor.execute(*self.filled(given, own))
            yield cursor

    def filled(self, given: dict[str, Any], own: Any) -> tuple[str, list[Any]]:
        sql, parameters = self._compiled()
        return sql, [each.value(given, own) if isinstance(each, Parameter) else each for each in parameters]


class PreparedRead:
    """What `make()` finds: with `rows` the tuples of its `values_list`, with `objects` its whole models."""

    def __init__(self, make: Callable[[], "QuerySet[Any, Any]"]) -> None:
        self._compiler = once(lambda: make().query.get_compiler(connection=connection))
        self._converters = once(self._find_converters)
        self.statement = _Statement(lambda: self._compiler().as_sql())

    def rows(self, **given: Any) -> list[tuple[Any, ...]]:
        return self.converted(self.statement.rows(given))

    def objects(self, **given: Any) -> list[Any]:
        return self.made_of(self.rows(**given))

    def made_of(self, rows: list[tuple[Any, ...]]) -> list[Any]:
        """The models that the rows are."""
        model = self._compiler().query.model
        names = [field.attname for field in model._meta.concrete_fields]
        return [model.from_db(connection.alias, names, row) for row in rows]

    def converted(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows as Django gives them, from what the driver gave."""
        return [self._converted(row) for row in rows] if rows and self._converters() else rows

    def _converted(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for place, (converters, expression) in self._converters().items():
            for convert in converters:
                values[place] = convert(values[place], expression, connection)
        return tuple(values)

    def _find_converters(self) -> dict[int, Any]:
        compiler = self._compiler()
        found: dict[int, Any] = compiler.get_converters([column[0] for column in compiler.select])
        return found


def rows_of(*asked: tuple[PreparedRead, dict[str, Any]]) -> list[list[tuple[Any, ...]]]:
    """The rows of each read with what it is given, read in this order; PostgreSQL is asked in one message."""
    own: Any = connections[DEFAULT_DB_ALIAS]
    found = own.fetch_each([read.statement.filled(given, own) for read, given in asked])
    return [read.converted(rows) for (read, _), rows in zip(asked, found, strict=True)]


class PreparedUpdate:
    """`make()` with the fields `names` set to what is given, and those of `assigned` to that.

    What is wrong with it is raised by `send` or by what comes after it in the transaction, at the latest by its commit.
    """

    def __init__(self, make: Callable[[], "QuerySet[Any, Any]"], *names: str, **assigned: Any) -> None:
        def compiled() -> tuple[str, Sequence[Any]]:
            rows = make()
            query: Any = rows.query.chain(UpdateQuery)
            query.add_update_values({**_parameters(rows.model, names), **assigned})
            sql, parameters = query.get_compiler(connection=connection).as_sql()
            return str(sql), parameters

        self._statement = _Statement(compiled)

    def send(self, **given: Any) -> None:
        """A foreign key is given by the name of its column, as `conversation_id`."""
        self._statement.send(given)

    def count(self, **given: Any) -> int:
        """The same, at once; returns how many rows it changed."""
        return self._statement.count(given)


class PreparedInsert:
    """Rows of `model` with the fields `names`; the others get what the database gives them. Errors as PreparedUpdate's."""

    def __init__(self, model: type[Model], *names: str) -> None:
        def compiled() -> tuple[str, Sequence[Any]]:
            query: Any = InsertQuery(model)
            parameters = _parameters(model, names).values()
            row = model(**{parameter.name: parameter for parameter in parameters})
            query.insert_values([model._meta.get_field(name) for name in names], [row])
            ((sql, found),) = query.get_compiler(connection=connection).as_sql()
            return sql, found

        self._statement = _Statement(compiled)

    def send(self, row: Model) -> None:
        self._statement.send(vars(row))


def _parameters(model: type[Model], names: Sequence[str]) -> dict[str, Parameter]:
    """By the field's name, a parameter by its column's."""
    fields: dict[str, Any] = {name: model._meta.get_field(name) for name in names}
    return {name: Parameter(field.attname, _target(field)) for name, field in fields.items()}


def _target(field: Any) -> "Field[Any, Any]":
    """Of a foreign key, the key that it points to."""
    target: Field[Any, Any] = field.target_field if field.is_relation else field
    return target
