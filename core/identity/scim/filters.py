"""A filter (RFC 7644 §3.4.2.2) as a condition of SQL: parsed by the library, its values bound and never pasted in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError
from scim2_models import Resource, SCIMException, ScimFilter
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)
from sqlalchemy import ColumnElement, SQLColumnExpression, and_, func, literal, not_, or_

from core.identity.scim.errors import ours
from core.kit.errors import BadInput

Condition = ColumnElement[bool]
_OF_TEXT = (CompareOperator.co, CompareOperator.sw, CompareOperator.ew)


@dataclass(frozen=True, slots=True)
class Column:
    """What an attribute is in the tables. `exact`: upper and lower case differ."""

    of: SQLColumnExpression[Any]
    kind: Literal["text", "bool", "time"] = "text"
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """An attribute with many values in another table: `has` one (None: any at all)."""

    has: Callable[[str | None], Condition]


Columns = Mapping[str, Column | Link]
"""Attributes in lower case, as in `name.givenname`."""


def condition(kind: type[Resource[Any]], text: str, columns: Columns) -> Condition:
    """Raises `BadInput` for what is no filter, or asks for what cannot be searched."""
    try:
        return _Sql(columns, str(kind.__schema__)).visit(ScimFilter[kind](text).ast)  # type: ignore[valid-type]
    except (SCIMException, ValidationError) as error:
        raise ours(error) from None


class _Sql(FilterVisitor[Condition]):
    """`inside`: the attribute that a value path selects from."""

    def __init__(self, columns: Columns, schema: str, inside: str = "") -> None:
        self._columns = columns
        self._schema = schema
        self._inside = inside

    def visit_comparison(self, node: Comparison) -> Condition:
        column = self._column(node.attr_path)
        if isinstance(column, Link):
            if node.op not in (CompareOperator.eq, CompareOperator.ne) or not isinstance(node.value, str):
                raise _refused(f"{node.attr_path} can only be compared by eq and ne with an id")
            has = column.has(node.value)
            return has if node.op == CompareOperator.eq else not_(has)
        return func.coalesce(_compared(column, node.op, node.value), False)

    def visit_present(self, node: Present) -> Condition:
        column = self._column(node.attr_path)
        if isinstance(column, Link):
            return column.has(None)
        filled = column.of.is_not(None)
        return and_(filled, column.of != "") if column.kind == "text" else filled

    def visit_not(self, node: Not) -> Condition:
        return not_(self.visit(node.expr))

    def visit_logical_expr(self, node: LogicalExpr) -> Condition:
        join = and_ if node.op == LogicalOperator.and_ else or_
        return join(*(self.visit(term) for term in node.terms))

    def visit_value_path(self, node: ValuePath) -> Condition:
        """Of each of our attributes with many values one is kept, or only its value can be asked for."""
        return _Sql(self._columns, self._schema, node.attr_path.attr).visit(node.val_filter)

    def _column(self, path: AttrPath) -> Column | Link:
        parts = [part for part in (self._inside, path.attr, path.sub_attr) if part]
        name = ".".join(parts).lower()
        column = self._columns.get(name)
        if column is None or (path.uri or self._schema).lower() != self._schema.lower():
            raise _refused(f"{'.'.join(parts)} cannot be searched; {', '.join(sorted(self._columns))} can")
        return column


def _compared(column: Column, op: CompareOperator, value: Any) -> Condition:
    if value is None:
        return column.of.is_(None) if op == CompareOperator.eq else column.of.is_not(None)
    if op in _OF_TEXT and column.kind != "text":
        raise _refused(f"{op.value} is for text")
    of, against = _operands(column, value)
    match op:
        case CompareOperator.eq:
            return of == against
        case CompareOperator.ne:
            return of.is_distinct_from(against)
        case CompareOperator.co:
            return func.strpos(of, against) > 0
        case CompareOperator.sw:
            return func.starts_with(of, against)
        case CompareOperator.ew:
            return func.right(of, func.length(against)) == against
        case CompareOperator.gt:
            return of > against
        case CompareOperator.ge:
            return of >= against
        case CompareOperator.lt:
            return of < against
        case CompareOperator.le:
            return of <= against


def _operands(column: Column, value: Any) -> tuple[SQLColumnExpression[Any], SQLColumnExpression[Any]]:
    match column.kind, value:
        case "bool", bool():
            return column.of, literal(value)
        case "time", str():
            return column.of, literal(_time(value))
        case "text", str():
            # By code points, as the library does in memory, whatever the database's own order of letters is.
            of, against = column.of.collate("C"), literal(value)
            return (of, against) if column.exact else (func.lower(of), func.lower(against))
    raise _refused(f"{value!r} is of another kind than the attribute")


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise _refused(f"{text} is no time: write 2026-11-24T14:00:00Z")
    return found


def _refused(why: str) -> BadInput:
    return BadInput(f"The filter cannot be used: {why}.", scimType="invalidFilter")
