"""Expressions of a view's query: each node by its type, in the target's SQL. A node that is not listed here is refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from sqlglot import exp
from sqlglot.expressions.datatypes import DType

from landfall.engine.model.identifiers import literal
from landfall.engine.sources.mysql.views import aggregates, casts, comparing, documents, moments, numbers, texts, values
from landfall.engine.sources.mysql.views.grammar import printed
from landfall.engine.sources.mysql.views.product import Product
from landfall.engine.sources.mysql.views.scope import Scope
from landfall.engine.sources.mysql.views.values import Case, Value, ValueKind

_FUNCTIONS: dict[str, Callable[..., Value]] = {**texts.FUNCTIONS, **numbers.FUNCTIONS, **moments.FUNCTIONS, **documents.FUNCTIONS}
_COMPARED: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.NullSafeEQ: "<=>",
}
_LOGIC: dict[type[exp.Expr], str] = {exp.And: "AND", exp.Or: "OR", exp.Xor: "<>"}
_SUMS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_BITS: dict[type[exp.Expr], str] = {exp.BitwiseAnd: "&", exp.BitwiseOr: "|", exp.BitwiseXor: "#"}
_CHANGING = {
    "now", "current_timestamp", "localtimestamp", "sysdate", "curdate", "utc_timestamp", "rand", "uuid", "version", "database", "user",
    "current_user", "connection_id", "unix_timestamp",
}  # fmt: skip
_WORDS = (
    "this expression expressions negate low high query ifs default true false to unit position separator alias over partition_by order spec"
    " table db catalog is_string nested _type quoted typed safe"
)
_READ = frozenset(_WORDS.split())  # what is written of a node; one with anything else is refused
_WITH_ARGUMENTS = (aggregates.ALL - aggregates.RANKS) | {"coalesce", "ifnull", "nvl", "greatest", "least"}
_OCTETS = frozenset({"length", "octet_length", "bit_length", "hex", "md5", "sha2", "ascii", "crc32"})
_REASONS = {
    "sha": "the target computes SHA-1 only with an extension",
    "sha1": "the target computes SHA-1 only with an extension",
    "version": "it names the source's server",
    "database": "it names the source's database",
    "schema": "it names the source's database",
}
_EXACT = ("_bin", "_cs", "binary")


class Subqueries(Protocol):
    """Queries inside of expressions."""

    def scalar(self, node: exp.Expr, scope: Scope) -> Value:
        """A query of one column as an expression, with its parentheses."""

    def exists(self, node: exp.Expr, scope: Scope) -> str:
        """EXISTS over a query."""


class Expressions:
    """The expressions of one SELECT.

    Attributes:
        keys: Texts that the query groups by without case, and what stands for them outside of aggregates.
        aliases: Columns of the select list that HAVING, GROUP BY and ORDER BY may name.
        changing: Functions that return something else each time.
        free: A value was written for which the source has a choice, such as the order of a list.
    """

    def __init__(self, scope: Scope, subqueries: Subqueries, changing: set[str], product: Product) -> None:
        self.scope, self._subqueries, self.changing, self._product = scope, subqueries, changing, product
        self.keys: list[tuple[exp.Expr, str]] = []
        self.aliases: dict[str, exp.Expr] = {}
        self.lower = False
        self._in_aggregate = 0
        self._over = ""
        self.free = False

    def value(self, node: exp.Expr) -> Value:
        """The expression in the target. Raises ValueError, with the smallest part that has no counterpart."""
        node = node.unnest()
        if not self._in_aggregate:
            for key, instead in self.keys:
                if key == node:
                    self.free = True
                    return Value(instead, ValueKind.TEXT, case=Case.LOOSE)
        write = next((w for kind, w in self._writers() if isinstance(node, kind)), None)
        queried = isinstance(node, exp.Query)
        if write is None or (not queried and {name for name, value in node.args.items() if value} - _READ):
            message = f"{printed(node)}: it has no counterpart that is known to mean the same"
            raise ValueError(message)
        return self._explained(node, write)

    def _explained(self, node: exp.Expr, write: Callable[[exp.Expr], Value]) -> Value:
        try:
            return write(node)
        except _ExplainedError:
            raise
        except ValueError as error:
            message = f"{printed(node)}: {error}"
            raise _ExplainedError(message) from error

    def truth(self, node: exp.Expr) -> str:
        """SQL of a condition."""
        return values.as_truth(self.value(node))

    def _writers(self) -> Sequence[tuple[type[exp.Expr] | tuple[type[exp.Expr], ...], Callable[[exp.Expr], Value]]]:
        return (
            (exp.Column, self._column),
            (exp.Literal, lambda n: values.text_literal(n.name) if n.is_string else values.number_literal(n.name)),
            (exp.Introducer, lambda n: self.value(n.expression)),
            (exp.Boolean, lambda n: values.number_literal(str(int(bool(n.this))))),
            (exp.Null, lambda _: Value("NULL", ValueKind.NULL)),
            ((exp.HexString, exp.BitString), self._octets),
            ((*_COMPARED,), self._comparison),
            ((exp.And, exp.Or, exp.Xor, exp.Not), self._logic),
            ((exp.Add, exp.Sub, exp.Mul), self._sum),
            (exp.Div, lambda n: numbers.divided(*self._sides(n), self._product)),
            (exp.IntDiv, lambda n: numbers.whole_quotient(*self._sides(n))),
            (exp.Mod, lambda n: numbers.remainder(*self._sides(n))),
            (exp.Neg, lambda n: numbers.negated(self.value(n.this))),
            (exp.BitwiseNot, lambda n: numbers.inverted(self.value(n.this))),
            ((*_BITS,), lambda n: numbers.bits(_BITS[type(n)], *self._sides(n))),
            (exp.BitwiseLeftShift, lambda n: numbers.shifted("<<", *self._sides(n))),
            (exp.BitwiseRightShift, lambda n: numbers.shifted(">>", *self._sides(n))),
            (exp.Is, self._is),
            (exp.In, self._in),
            (exp.Between, self._between),
            (exp.Escape, lambda n: self._like(n.this, n.expression.name)),
            (exp.Like, lambda n: self._like(n, None)),
            (exp.RegexpLike, lambda n: values.truth(texts.regexp(*self._sides(n)))),
            (exp.If, lambda n: _if(self, [n.this, n.args["true"], n.args.get("false") or exp.Null()])),
            (exp.Case, self._case),
            (exp.Interval, lambda n: _call(numbers.interval, [self.value(a) for a in n.this.unnest().expressions])),
            (exp.Cast, self._cast),
            (exp.Collate, self._collate),
            (exp.Trim, self._trim),
            (exp.Extract, lambda n: moments.part(n.name.upper(), self.value(n.expression))),
            (exp.GroupConcat, self._group_concat),
            (exp.Window, self._window),
            (exp.Exists, lambda n: values.truth(self._subqueries.exists(n.this, self.scope))),
            ((exp.Subquery, exp.Select, exp.SetOperation), lambda n: self._subqueries.scalar(n, self.scope)),
            ((exp.CurrentTimestamp, exp.Localtimestamp, exp.CurrentDate), self._now),
            (exp.Anonymous, self._function),
        )

    def _sides(self, node: exp.Expr) -> tuple[Value, Value]:
        return self.value(node.this), self.value(node.expression)

    def _column(self, node: exp.Expr) -> Value:
        if not isinstance(node, exp.Column):
            raise TypeError(node)
        if not node.table and node.name.lower() in self.aliases:
            return self.value(self.aliases[node.name.lower()])
        return self.scope.find(node)

    def _octets(self, node: exp.Expr) -> Value:
        number = int(node.name, 16 if isinstance(node, exp.HexString) else 2)
        size = (len(node.name) + 1) // 2 if isinstance(node, exp.HexString) else (len(node.name) + 7) // 8
        return Value(f"'\\x{number.to_bytes(size, 'big').hex()}'::bytea", ValueKind.BYTES)

    def _noted(self, *some: Value) -> None:
        text_values = [v for v in some if v.kind in values.TEXTS]
        self.lower = self.lower or (len(text_values) > 1 and values.shared_case(text_values) is not Case.EXACT)

    def _comparison(self, node: exp.Expr) -> Value:
        if isinstance(node.this.unnest(), exp.Tuple) and isinstance(node.expression.unnest(), exp.Tuple):
            return self._rows(node)
        left, right = self._sides(node)
        self._noted(left, right)
        return values.truth(comparing.compared(left, _COMPARED[type(node)], right))

    def _rows(self, node: exp.Expr) -> Value:
        pairs = list(zip(node.this.unnest().expressions, node.expression.unnest().expressions, strict=True))
        if type(node) is not exp.EQ:
            message = "rows are compared"
            raise ValueError(message)
        return values.truth(f"({' AND '.join(comparing.compared(self.value(a), '=', self.value(b)) for a, b in pairs)})")

    def _logic(self, node: exp.Expr) -> Value:
        if isinstance(node, exp.Not):
            return values.truth(f"(NOT {self.truth(node.this)})")
        word = _LOGIC[type(node)]
        return values.truth(f"({self.truth(node.this)} {word} {self.truth(node.expression)})")

    def _sum(self, node: exp.Expr) -> Value:
        interval = next((s for s in (node.expression, node.this) if isinstance(s.unnest(), exp.Interval)), None)
        if interval is not None:
            other = node.this if interval is node.expression else node.expression
            if isinstance(node, exp.Mul) or (isinstance(node, exp.Sub) and interval is node.this):
                message = "an interval is no number"
                raise ValueError(message)
            many = interval.unnest().this
            if isinstance(many, exp.Literal) and many.is_string:
                many = exp.Literal.number(many.name)
            unit_name = interval.unnest().args.get("unit")
            unit = unit_name.name.upper() if unit_name is not None else ""
            return moments.shifted(self.value(other), self.value(many), unit, back=isinstance(node, exp.Sub))
        operator = _SUMS[type(node)]
        return numbers.added(operator, *self._sides(node))

    def _is(self, node: exp.Expr) -> Value:
        value, word = self.value(node.this), node.expression
        if isinstance(word, exp.Null):
            return values.truth(f"({value.sql} IS NULL)")
        if isinstance(word, exp.Boolean):
            return values.truth(f"({values.as_truth(value)} IS {'TRUE' if word.this else 'FALSE'})")
        message = "IS of something else than NULL, TRUE or FALSE"
        raise ValueError(message)

    def _in(self, node: exp.Expr) -> Value:
        value, query = self.value(node.this), node.args.get("query")
        if query is None:
            listed = [self.value(n) for n in node.expressions]
            self._noted(value, *listed)
            return values.truth(comparing.among(value, listed))
        subquery = self._subqueries.scalar(query, self.scope)
        self._noted(value, subquery)
        member = Value('"x"."v"', subquery.kind, subquery.scale, subquery.case)
        left, right = comparing.operands([value, member])
        return values.truth(f'({left} IN (SELECT {right} FROM {subquery.sql} AS "x"("v")))')

    def _between(self, node: exp.Expr) -> Value:
        bounds = [self.value(n) for n in (node.this, node.args["low"], node.args["high"])]
        self._noted(*bounds)
        return values.truth(comparing.between(*bounds))

    def _like(self, node: exp.Expr, escape: str | None) -> Value:
        left, right = self._sides(node)
        self._noted(left, right)
        matches = comparing.like(left, right, escape)
        return values.truth(f"(NOT {matches})" if node.args.get("negate") else matches)

    def _case(self, node: exp.Expr) -> Value:
        compared = node.this
        tests = []
        for arm in node.args["ifs"]:
            if compared is None:
                tests.append(self.truth(arm.this))
                continue
            pair = (self.value(compared), self.value(arm.this))
            self._noted(*pair)
            tests.append(comparing.compared(pair[0], "=", pair[1]))
        default = node.args.get("default")
        results = [self.value(arm.args["true"]) for arm in node.args["ifs"]]
        results.append(self.value(default) if default is not None else Value("NULL", ValueKind.NULL))
        return case_of(tests, results)

    def _cast(self, node: exp.Expr) -> Value:
        kind = node.args["to"]
        if kind.is_type(DType.CHARACTER_SET):
            return self._as_characters(node.this, kind)
        size = [int(e.name) for e in kind.expressions]
        return casts.cast_to(self.value(node.this), kind.this, size, self._product)

    def _as_characters(self, node: exp.Expr, kind: exp.Expr) -> Value:
        converted = values.as_text(self.value(node))
        name = kind.args.get("kind")
        if name is not None and name.name.lower() == "binary":
            return Value(converted.sql, ValueKind.TEXT, case=Case.EXACT)
        size = [int(e.name) for e in kind.expressions]
        return converted.with_sql(f"left({converted.sql}, {size[0]})") if size else converted

    def _collate(self, node: exp.Expr) -> Value:
        exact = node.expression.name.lower().endswith(_EXACT)
        converted = values.as_text(self.value(node.this))
        return Value(converted.sql, ValueKind.TEXT, case=Case.EXACT if exact else Case.LOOSE, constant=converted.constant)

    def _trim(self, node: exp.Expr) -> Value:
        characters = node.expression
        position = str(node.args.get("position") or "BOTH").upper()
        return texts.trimmed(self.value(node.this), position, self.value(characters) if characters is not None else None)

    def _now(self, node: exp.Expr) -> Value:
        self.changing.add(printed(node))
        if isinstance(node, exp.CurrentDate):
            return moments.today()
        digits = node.this
        return moments.now(self.value(digits)) if digits is not None else moments.now()

    # -- functions ----------------------------------------------------------------------------------------------------

    def _function(self, node: exp.Expr) -> Value:
        name, arguments = node.name.lower(), node.expressions
        if name in _CHANGING and not (name == "unix_timestamp" and arguments):
            self.changing.add(f"{name.upper()}()")
        over, self._over = self._over, ""
        if not arguments and name in _WITH_ARGUMENTS:
            message = "a call without arguments"
            raise ValueError(message)
        if name in aggregates.ALL:
            aggregated = self._aggregate(name, arguments)
            return replace(aggregated, sql=aggregated.sql.replace(aggregates.OVER, over))
        if name in {"timestampdiff", "timestampadd"}:
            return self._by_unit(name, arguments)
        if name in _CONTROL:
            return _CONTROL[name](self, arguments)
        call = _FUNCTIONS.get(name)
        if call is None:
            raise ValueError(_REASONS.get(name, "the function has no counterpart that is known to mean the same"))
        if name in _OCTETS and any(self.scope.find(c).foreign for c in node.find_all(exp.Column)):
            message = "the octets of a text in another character set than UTF-8"
            raise ValueError(message)
        argument_values = [self.value(a) for a in arguments]
        if name in {"locate", "instr", "field", "find_in_set", "strcmp", "regexp_like", "regexp_replace"}:
            self._noted(*argument_values)
        return _call(call, argument_values)

    def _by_unit(self, name: str, arguments: Sequence[exp.Expr]) -> Value:
        unit, first, second = arguments
        word = unit.name.upper()
        if name == "timestampdiff":
            return moments.difference(word, self.value(first), self.value(second))
        return moments.shifted(self.value(second), self.value(first), word, back=False)

    def _aggregate(self, name: str, arguments: Sequence[exp.Expr]) -> Value:
        distinct = len(arguments) == 1 and isinstance(arguments[0], exp.Distinct)
        nodes = arguments[0].expressions if distinct else arguments
        self._in_aggregate += 1
        try:
            argument_values = [
                Value("*", ValueKind.INT, constant="*") if isinstance(n, exp.Star) else self.value(n) for n in nodes
            ]
        finally:
            self._in_aggregate -= 1
        if name in aggregates.RANKS:
            return aggregates.rank(name, argument_values)
        if name in aggregates.NEIGHBOURS:
            return aggregates.neighbour(name, argument_values)
        if name == "avg":
            return aggregates.avg(argument_values[0], "DISTINCT " if distinct else "", self._product)
        if name == "count":
            self.lower = self.lower or (
                distinct and any(v.kind is ValueKind.TEXT and v.case is not Case.EXACT for v in argument_values)
            )
            return aggregates.count(argument_values, distinct=distinct)
        loose = bool(argument_values) and argument_values[0].kind is ValueKind.TEXT and argument_values[0].case is not Case.EXACT
        self.free = self.free or name == "any_value" or (name in {"min", "max"} and loose)
        if name == "json_objectagg":
            return _call(aggregates.json_object_agg, argument_values)
        self.lower = self.lower or (name in {"min", "max"} and loose)
        return _call(aggregates.AGGREGATES[name], [*argument_values, "DISTINCT " if distinct else ""])

    def _group_concat(self, node: exp.Expr) -> Value:
        inner, orders = node.this, []
        self._in_aggregate += 1
        try:
            if isinstance(inner, exp.Order):
                orders = [(self.value(o.this), direction(o)) for o in inner.expressions]
                inner = inner.this
            distinct = isinstance(inner, exp.Distinct)
            nodes = inner.expressions if distinct else [inner]
            if len(nodes) == 1 and isinstance(nodes[0], exp.Concat):
                nodes = nodes[0].expressions
            argument_values = [self.value(n) for n in nodes]
        finally:
            self._in_aggregate -= 1
        separator = node.args.get("separator")
        alone = (
            len(argument_values) == len(orders) == 1
            and orders[0][0].sql == argument_values[0].sql
            and argument_values[0].case is not Case.LOOSE
        )
        self.free = self.free or not alone
        return aggregates.group_concat(
            argument_values, orders, literal(separator.name if separator is not None else ","), distinct=distinct
        )

    def _window(self, node: exp.Expr) -> Value:
        if not isinstance(node.this, exp.Anonymous) or node.this.name.lower() not in aggregates.ALL:
            message = "the function has no counterpart over a window"
            raise ValueError(message)
        over = f" OVER {self.window(node)}"
        name = node.this.name.lower()
        self.free = self.free or name in {*aggregates.NEIGHBOURS, "row_number", "ntile"} or node.args.get("spec") is not None
        self._over = over
        call_value = self._function(node.this)
        if "array_agg" in call_value.sql:
            message = "the least or greatest text of a window"
            raise ValueError(message)
        return call_value

    def window(self, node: exp.Expr) -> str:
        """SQL of a window: its name, or its definition in parentheses."""
        alias, spec = node.args.get("alias"), node.args.get("spec")
        base = [f'"{alias.name.lower()}"'] if alias is not None and not isinstance(node.this, exp.Identifier) else []
        if base and not (node.args.get("partition_by") or node.args.get("order") or spec):
            return base[0]
        parts = [aggregates.distinct_sql(self.value(p)) for p in node.args.get("partition_by") or ()]
        order = node.args.get("order")
        pieces = [*base, f"PARTITION BY {', '.join(parts)}"] if parts else base
        if order is not None:
            ordered = (f"{aggregates.distinct_sql(self.value(o.this))} {direction(o)}" for o in order.expressions)
            pieces.append(f"ORDER BY {', '.join(ordered)}")
        if spec is not None:
            pieces.append(frame(spec))
        return f"({' '.join(pieces)})"


class _ExplainedError(ValueError):
    """It says already which part of the expression has no counterpart."""


def _call(call: Callable[..., Value], arguments: Sequence[object]) -> Value:
    try:
        inspect.signature(call).bind(*arguments)
    except TypeError as error:
        message = "this number of arguments is not known"
        raise ValueError(message) from error
    return call(*arguments)


def direction(node: exp.Expr) -> str:
    """ASC or DESC; the source orders NULLs before all values."""
    return "DESC NULLS LAST" if node.args.get("desc") else "ASC NULLS FIRST"


def frame(spec: exp.Expr) -> str:
    """The frame of a window."""
    ends = []
    for side in ("start", "end"):
        value = spec.args.get(side)
        if value is None:
            continue
        many = value if isinstance(value, str) else value.name
        if not isinstance(value, str) and not (isinstance(value, exp.Literal) and not value.is_string):
            message = f"the frame {printed(spec)}"
            raise ValueError(message)
        ends.append(f"{many} {spec.args.get(f'{side}_side') or ''}".strip())
    kind = str(spec.args.get("kind") or "RANGE")
    return f"{kind} BETWEEN {' AND '.join(ends)}" if len(ends) == 2 else f"{kind} {ends[0]}"


def case_of(tests: Sequence[str], results: Sequence[Value]) -> Value:
    """CASE: the result of the first test that is true, else the last result."""
    united_results = values.united(results)
    sample = next((v for v in united_results if v.kind is not ValueKind.NULL), united_results[-1])
    arms = " ".join(f"WHEN {test} THEN {result.sql}" for test, result in zip(tests, united_results[:-1], strict=True))
    case_value = sample.with_sql(f"(CASE {arms} ELSE {united_results[-1].sql} END)")
    return Value(
        case_value.sql,
        case_value.kind,
        case_value.scale,
        case_value.case,
        stored=case_value.kind is ValueKind.BOOL,
        inexact=case_value.inexact,
    )


def _if(self: Expressions, arguments: Sequence[exp.Expr]) -> Value:
    test, yes, no = arguments
    return case_of([self.truth(test)], [self.value(yes), self.value(no)])


def _coalesce(self: Expressions, arguments: Sequence[exp.Expr]) -> Value:
    argument_values = values.united([self.value(a) for a in arguments])
    sample = next((v for v in argument_values if v.kind is not ValueKind.NULL), argument_values[0])
    return Value(
        f"coalesce({', '.join(v.sql for v in argument_values)})", sample.kind, sample.scale, sample.case,
        stored=sample.kind is ValueKind.BOOL, inexact=any(v.inexact for v in argument_values),
    )  # fmt: skip


def _nullif(self: Expressions, arguments: Sequence[exp.Expr]) -> Value:
    first, second = (self.value(a) for a in arguments)
    self._noted(first, second)
    return first.with_sql(f"(CASE WHEN {comparing.compared(first, '=', second)} THEN NULL ELSE {first.sql} END)")


def _random(_self: Expressions, arguments: Sequence[exp.Expr]) -> Value:
    if arguments:
        message = "RAND with a seed"
        raise ValueError(message)
    return values.double("random()")


_CONTROL: dict[str, Callable[[Expressions, Sequence[exp.Expr]], Value]] = {
    "ifnull": _coalesce,
    "nvl": _coalesce,
    "coalesce": _coalesce,
    "nullif": _nullif,
    "rand": _random,
    "uuid": lambda _self, _arguments: values.text("gen_random_uuid()::text"),
}
