"""The operators of a condition. What is unknown is null: nothing compares with it, and sums with it are unknown."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from jsonlogic import JSONLogicExpression, Operator
from jsonlogic.core import JSONLogicSyntaxError
from jsonlogic.evaluation import EvaluationContext, evaluate, get_value
from jsonlogic.operators import Equal, NotEqual, Var
from jsonlogic.registry import OperatorRegistry
from jsonlogic.resolving import ParsedReference


class Arguments(Operator):
    """An operator over any number of arguments."""

    arguments: list[Any]

    def __init__(self, operator: str, arguments: list[Any]) -> None:
        super().__init__(operator)
        self.arguments = arguments

    @classmethod
    def from_expression(cls, operator: str, arguments: list[Any]) -> Arguments:
        if not arguments:
            raise JSONLogicSyntaxError(f"{operator!r} has no arguments")
        return cls(operator, arguments)

    def evaluate(self, context: EvaluationContext) -> Any:
        raise NotImplementedError


class And(Arguments):
    def evaluate(self, context: EvaluationContext) -> bool:
        return all(bool(get_value(one, context)) for one in self.arguments)


class Or(Arguments):
    def evaluate(self, context: EvaluationContext) -> bool:
        return any(bool(get_value(one, context)) for one in self.arguments)


class Not(Arguments):
    def evaluate(self, context: EvaluationContext) -> bool:
        return not get_value(self.arguments[0], context)


class In(Arguments):
    def evaluate(self, context: EvaluationContext) -> bool:
        one, many = (get_value(argument, context) for argument in self.arguments)
        return one is not None and many is not None and one in many


class Compare(Arguments):
    compare: ClassVar[Callable[[Any, Any], bool]]

    def evaluate(self, context: EvaluationContext) -> bool:
        left, right = (get_value(argument, context) for argument in self.arguments)
        return left is not None and right is not None and type(self).compare(left, right)


class Less(Compare):
    compare = operator.lt


class LessOrEqual(Compare):
    compare = operator.le


class More(Compare):
    compare = operator.gt


class MoreOrEqual(Compare):
    compare = operator.ge


class Calculate(Arguments):
    calculate: ClassVar[Callable[[float, float], float]]

    def evaluate(self, context: EvaluationContext) -> float | None:
        values = [get_value(argument, context) for argument in self.arguments]
        if None in values:
            return None
        total = float(values[0])  # of floats, so that no product grows without bound
        for value in values[1:]:
            total = type(self).calculate(total, float(value))
        return total


class Plus(Calculate):
    calculate = operator.add


class Minus(Calculate):
    calculate = operator.sub


class Times(Calculate):
    calculate = operator.mul


OPERATORS: Mapping[str, type[Operator]] = {
    "var": Var, "and": And, "or": Or, "!": Not, "==": Equal, "!=": NotEqual, "<": Less, "<=": LessOrEqual, ">": More,
    ">=": MoreOrEqual, "in": In, "+": Plus, "-": Minus, "*": Times,
}  # fmt: skip
_REGISTRY = OperatorRegistry().copy(extend=dict(OPERATORS))


def _by_name(reference: str) -> tuple[ParsedReference, int]:
    """A field has its dots in its name."""
    return ParsedReference(reference, [reference]), 0


def compiled(condition: dict[str, Any]) -> Operator:
    """A condition that was checked before (`check.py`)."""
    return JSONLogicExpression.from_json(condition).as_operator_tree(_REGISTRY)


def holds(condition: Operator, facts: Mapping[str, Any]) -> bool:
    return bool(evaluate(condition, dict(facts), None, {"reference_parser": _by_name}))
