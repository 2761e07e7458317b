"""A view's query: SELECT, set operations and common table expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from landfall.engine.model.identifiers import quoted
from landfall.engine.sources.mysql.views.aggregates import AGGREGATES, distinct_sql
from landfall.engine.sources.mysql.views.expressions import Expressions, direction
from landfall.engine.sources.mysql.views.grammar import parsed, printed
from landfall.engine.sources.mysql.views.product import Product
from landfall.engine.sources.mysql.views.scope import Columns, Scope, columns_of
from landfall.engine.sources.mysql.views.values import Case, Value, ValueKind, column_value, united
from landfall.engine.sources.view_relations import RelationColumn, Relations, Rename, WrittenView

_KNOWN = {
    "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct", "with_", "windows",
    "operation_modifiers", "kind",
}  # fmt: skip
_COMPARED = frozenset(ValueKind) - {ValueKind.LIST, ValueKind.OTHER}
_UNKNOWN = "{part}: {what}"
_WIDE = {
    ValueKind.INT: "bigint",
    ValueKind.NUM: "numeric",
    ValueKind.TEXT: "text",
    ValueKind.FLOAT: "double precision",
    ValueKind.MOMENT: "timestamp",
}


@dataclass(frozen=True, slots=True)
class _Query:
    """A query that is written when the types of its columns are known. `ordered`: its text ends with ORDER BY or LIMIT."""

    names: tuple[str, ...]
    values: tuple[Value, ...]
    write: Callable[[Sequence[Value]], str]
    ordered: bool = False

    @property
    def sql(self) -> str:
        return self.write(self.values)


class Queries:
    """Writes the queries of one view. `relations`: what it may read; `rename`: names of the target."""

    def __init__(self, relations: Relations, rename: Rename, product: Product) -> None:
        self._relations, self._rename, self._product = relations, rename, product
        self._common: list[dict[str, _Query]] = []
        self.changing: set[str] = set()
        self.unsure: set[str] = set()
        self.free: frozenset[int] = frozenset()
        self._depth = 0
        self.lower = False

    def scalar(self, node: exp.Expr, scope: Scope) -> Value:
        """See `Subqueries`."""
        subquery = self.query(node.unnest(), scope)
        if len(subquery.values) != 1:
            message = "a query of several columns is one value"
            raise ValueError(message)
        return subquery.values[0].with_sql(f"({subquery.sql})")

    def exists(self, node: exp.Expr, scope: Scope) -> str:
        """See `Subqueries`."""
        return f"EXISTS ({self.query(node.unnest(), scope).sql})"

    def query(self, node: exp.Expr, around: Scope | None) -> _Query:
        """A SELECT or a set operation with its common table expressions."""
        node = node.unnest()
        clause = node.args.get("with_")
        self._common.append({})
        self._depth += 1
        try:
            head = self._with(clause, around) if clause is not None else ""
            written_query = self._set(node, around) if isinstance(node, exp.SetOperation) else self._select(node, around)
        finally:
            self._common.pop()
            self._depth -= 1
        if not head:
            return written_query
        return replace(written_query, write=lambda values: f"{head} {written_query.write(values)}")

    # -- common table expressions -------------------------------------------------------------------------------------

    def _with(self, clause: exp.Expr, around: Scope | None) -> str:
        definitions = []
        recursive = bool(clause.args.get("recursive"))
        for definition in clause.expressions:
            names = tuple(c.name for c in definition.args["alias"].args.get("columns") or ())
            definitions.append(self._common_one(definition, names, around, recursive=recursive))
        return f"WITH {'RECURSIVE ' if recursive else ''}{', '.join(definitions)}"

    def _common_one(self, definition: exp.Expr, names: tuple[str, ...], around: Scope | None, *, recursive: bool) -> str:
        name, body = definition.alias, definition.this.unnest()
        if recursive and isinstance(body, exp.SetOperation):
            first = self.query(body.this, around)
            self._common[-1][name.lower()] = replace(first, names=names or first.names, values=tuple(map(_widened, first.values)))
        written_query = self.query(body, around)
        if recursive:
            written_query = replace(written_query, values=tuple(map(_widened, written_query.values)))
        written_query = replace(written_query, names=names or written_query.names)
        self._common[-1][name.lower()] = written_query
        listed = ", ".join(quoted(self._rename(n)) for n in written_query.names)
        return f"{quoted(self._rename(name))} ({listed}) AS ({written_query.sql})"

    def _relation(self, node: exp.Table, scope: Scope) -> str:
        """A table, view or common table expression of a FROM."""
        alias = node.alias_or_name
        alias_name = quoted(self._rename(alias))
        for frame in reversed(self._common):
            if not node.db and node.name.lower() in frame:
                written_query = frame[node.name.lower()]
                scope.add(alias, _columns(written_query, alias_name, self._rename))
                return f"{quoted(self._rename(node.name))} AS {alias_name}"
        relation = self._relations.find(node.db, node.name)
        if relation.changed:
            self.unsure.add(f"it reads {node.name}, {relation.changed}")
        if relation.unread or any(c.unread for c in relation.columns):
            self.unsure.add(f"it reads {node.name}, which is not compared as a whole")
        scope.add(alias, columns_of(relation, alias_name))
        return f"{quoted(relation.target)} AS {alias_name}"

    # -- FROM ---------------------------------------------------------------------------------------------------------

    def _source(self, node: exp.Expr, scope: Scope, on: Expressions) -> str:
        inner = node.this
        nested = isinstance(node, exp.Paren) or (isinstance(node, exp.Subquery) and isinstance(inner, exp.Table | exp.Subquery))
        if nested:
            text = f"({self._source(inner, scope, on)})"
        elif isinstance(node, exp.Subquery):
            written_query, alias_name = self.query(inner, None), quoted(self._rename(node.alias))
            scope.add(node.alias, _columns(written_query, alias_name, self._rename))
            text = f"({written_query.sql}) AS {alias_name}"
        elif isinstance(node, exp.Table) and isinstance(inner, exp.Identifier):
            text = self._relation(node, scope)
        else:
            raise ValueError(_UNKNOWN.format(part=printed(node), what="a table function"))
        for join in node.args.get("joins") or ():
            text += f" {self._join(join, scope, on)}"
        return text

    def _join(self, join: exp.Expr, scope: Scope, on: Expressions) -> str:
        side, kind = str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper()
        if join.args.get("using") or join.args.get("method") or kind not in {"", "INNER", "CROSS", "OUTER", "STRAIGHT"}:
            message = f"{printed(join)}: this kind of join"
            raise ValueError(message)
        table = self._source(join.this, scope, on)
        condition = join.args.get("on")
        if condition is None:
            return f"CROSS JOIN {table}" if not side else f"{side} JOIN {table} ON true"
        return f"{side or 'INNER'} JOIN {table} ON {on.truth(condition)}"

    # -- SELECT -------------------------------------------------------------------------------------------------------

    def _select(self, node: exp.Expr, around: Scope | None) -> _Query:
        if not isinstance(node, exp.Select):
            raise ValueError(_UNKNOWN.format(part=printed(node), what="not a SELECT"))  # noqa: TRY004  it is a value of the source
        strange = [name for name, value in node.args.items() if value and name not in _KNOWN]
        if strange:
            message = f"the clause {', '.join(strange)} of SELECT"
            raise ValueError(message)
        scope = Scope(around)
        writer = Expressions(scope, self, self.changing, self._product)
        source = node.args.get("from_")
        table = f" FROM {self._source(source.this, scope, writer)}" if source is not None else ""
        for join in node.args.get("joins") or ():
            table += f" {self._join(join, scope, writer)}"
        conditions = [writer.truth(node.args["where"].this)] if node.args.get("where") else []
        self._note_choice(writer)
        grouped = self._grouped(node, writer, table, conditions)
        self.lower = self.lower or writer.lower
        return grouped

    def _grouped(self, node: exp.Expr, writer: Expressions, table: str, conditions: list[str]) -> _Query:
        names = tuple(e.alias_or_name for e in node.expressions)
        nodes = [e.unalias() for e in node.expressions]
        keys = self._keys(node, writer)
        listed = [column_value(v) for v in self._outputs(nodes, writer)]
        writer.aliases = {name.lower(): n for name, n in zip(names, nodes, strict=True)}
        having = [writer.truth(node.args["having"].this)] if node.args.get("having") else []
        self._note_choice(writer)
        if having and not keys and not _aggregated(node):
            conditions, having = [*conditions, *having], []
        windows = [f'"{w.name.lower()}" AS {writer.window(w)}' for w in node.args.get("windows") or ()]
        tail = table + (f" WHERE {' AND '.join(conditions)}" if conditions else "")
        tail += f" GROUP BY {', '.join(keys)}" if keys else ""
        tail += (f" HAVING {' AND '.join(having)}" if having else "") + (f" WINDOW {', '.join(windows)}" if windows else "")
        if node.args.get("distinct"):
            return self._distinct(node, names, nodes, listed, tail)
        order = node.args.get("order")
        ends = self._order(order, writer) if order is not None else ""
        ends += self._cut(node)
        return _Query(
            names, tuple(listed), lambda values: f"SELECT {self._listed(values, names)}{tail}{ends}", ordered=bool(ends)
        )

    def _note_choice(self, writer: Expressions) -> None:
        if writer.free:
            self.unsure.add("its rows depend on a choice that the source is free to make")
        writer.free = False

    def _outputs(self, nodes: Sequence[exp.Expr], writer: Expressions) -> list[Value]:
        """The select list. Of the outermost query, it is known which columns the source is free to choose."""
        outputs, free = [], []
        for at, node in enumerate(nodes):
            outputs.append(writer.value(node))
            if writer.free and self._depth == 1:
                free.append(at)
                writer.free = False
        self._note_choice(writer)
        if self._depth == 1:
            self.free |= frozenset(free)
        return outputs

    def _keys(self, node: exp.Expr, writer: Expressions) -> list[str]:
        group = node.args.get("group")
        if group is None:
            return []
        if any(value for name, value in group.args.items() if name != "expressions"):
            message = "GROUP BY … WITH ROLLUP"
            raise ValueError(message)
        writer.aliases = {e.alias_or_name.lower(): e.unalias() for e in node.expressions}
        keys = []
        loose = []
        for key in group.expressions:
            if isinstance(key, exp.Literal):
                continue  # a constant groups nothing
            value = writer.value(key)
            keys.append(distinct_sql(value))
            if _is_loose(value):
                writer.lower = True
                loose.append((key.unnest(), f"(array_agg({value.sql}))[1]"))
        writer.aliases = {}
        writer.keys = loose
        return keys or ["()"]

    def _cut(self, node: exp.Expr) -> str:
        """LIMIT and OFFSET, by which the source may choose among rows."""
        text = _limit(node)
        if text and not isinstance(node.parent, exp.Exists):
            self.unsure.add("LIMIT chooses among its rows")
        return text

    def _distinct(
        self, node: exp.Expr, names: tuple[str, ...], nodes: Sequence[exp.Expr], listed: list[Value], tail: str
    ) -> _Query:
        order, cut = node.args.get("order"), self._cut(node)
        orders = self._positions(order, names, nodes) if order is not None else []
        if any(_is_loose(v) for v in listed):
            self.lower = True
            self.unsure.add("of rows that are the same without case, the source is free to show any")

        def write(values: Sequence[Value]) -> str:
            select = f"SELECT {self._listed(values, names)}{tail}"
            return self._once(select, names, values, orders, cut)

        return _Query(names, tuple(listed), write, ordered=True)

    def _once(
        self, select: str, names: Sequence[str], values: Sequence[Value], orders: Sequence[tuple[int, str]], limit: str
    ) -> str:
        """Each row once; rows that differ in the case of their texts are one."""
        columns = [replace(v, sql=f'"q".{quoted(self._rename(n))}') for v, n in zip(values, names, strict=True)]
        on = ", ".join(distinct_sql(c) for c in columns)
        once = f'SELECT DISTINCT ON ({on}) "q".* FROM ({select}) AS "q"'
        if not orders and not limit:
            return once
        order = ", ".join(f"{distinct_sql(columns[at])} {way}" for at, way in orders)
        return f'SELECT "q".* FROM ({once}) AS "q"{f" ORDER BY {order}" if order else ""}{limit}'

    def _order(self, order: exp.Expr, writer: Expressions) -> str:
        terms = [
            f"{distinct_sql(writer.value(o.this))} {direction(o)}" for o in order.expressions if not isinstance(o.this, exp.Null)
        ]
        return f" ORDER BY {', '.join(terms)}" if terms else ""

    def _positions(self, order: exp.Expr, names: Sequence[str], nodes: Sequence[exp.Expr]) -> list[tuple[int, str]]:
        """What a query of distinct rows is ordered by: positions in its select list, from 0."""
        positions = []
        for term in order.expressions:
            key, lowered = term.this.unnest(), [n.lower() for n in names]
            places = [at for at, n in enumerate(nodes) if n.unnest() == key]
            if isinstance(key, exp.Literal) and not key.is_string:
                places = [int(key.name) - 1] if key.name.isdigit() and 0 < int(key.name) <= len(names) else []
            elif isinstance(key, exp.Column) and not key.table and key.name.lower() in lowered:
                places = [lowered.index(key.name.lower())]
            if not places:
                message = f"ORDER BY {printed(key)}: it is none of the columns of rows that are distinct"
                raise ValueError(message)
            positions.append((places[0], direction(term)))
        return positions

    def _listed(self, values: Sequence[Value], names: Sequence[str]) -> str:
        return ", ".join(f"{v.sql} AS {quoted(self._rename(n))}" for v, n in zip(values, names, strict=True))

    # -- set operations -----------------------------------------------------------------------------------------------

    def _set(self, node: exp.Expr, around: Scope | None) -> _Query:
        branches, words = _branches(node)
        written_branches = [self.query(b, around) for b in branches]
        names = written_branches[0].names
        if len({len(f.values) for f in written_branches}) != 1:
            message = "the queries of a UNION have different numbers of columns"
            raise ValueError(message)
        columns = [united(column) for column in zip(*(f.values for f in written_branches), strict=True)]
        merged = tuple(_merged(column) for column in columns)
        loose = any(_is_loose(v) for v in merged)
        if loose and not (words[-1] == "UNION" or set(words) == {"UNION ALL"}):
            message = f"{' and '.join(dict.fromkeys(words))} of texts that the source compares without case"
            raise ValueError(message)
        order = node.args.get("order")
        orders = self._positions(order, names, [exp.Null()] * len(names)) if order is not None else []
        once, cut = words[-1] == "UNION" and loose, self._cut(node)
        if once:
            self.lower = True
            self.unsure.add("of rows that are the same without case, the source is free to show any")

        def write(values: Sequence[Value]) -> str:
            same = [[_converted(v, values[at]) for v in column] for at, column in enumerate(columns)]
            parts = [_nested(f, [column[n] for column in same]) for n, f in enumerate(written_branches)]
            set_query = parts[0] + "".join(f" {'UNION ALL' if once else w} {p}" for w, p in zip(words, parts[1:], strict=True))
            if once:
                return self._once(set_query, names, merged, orders, cut)
            if not orders and not cut:
                return set_query
            columns_ = [replace(v, sql=f'"q".{quoted(self._rename(n))}') for v, n in zip(merged, names, strict=True)]
            by = ", ".join(f"{distinct_sql(columns_[at])} {way}" for at, way in orders)
            return f'SELECT "q".* FROM ({set_query}) AS "q"{f" ORDER BY {by}" if by else ""}{cut}'

        return _Query(names, merged, write, ordered=bool(orders))


def _branches(node: exp.Expr) -> tuple[list[exp.Expr], list[str]]:
    """The queries of a chain of set operations, and the words between them."""
    if not isinstance(node, exp.SetOperation):
        return [node], []
    word = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}[type(node)]
    word += "" if node.args.get("distinct", True) else " ALL"
    nested = isinstance(node.this, exp.SetOperation)
    first, words = _branches(node.this) if nested else ([node.this], [])
    if {word, *words} - {"UNION", "UNION ALL"} and len(words) > 0:
        message = "several set operations, of which one is EXCEPT or INTERSECT"
        raise ValueError(message)
    return [*first, node.expression], [*words, word]


def _nested(query: _Query, values: Sequence[Value]) -> str:
    text = query.write(values)
    return f"({text})" if query.ordered else text


def _merged(column: Sequence[Value]) -> Value:
    sample = next((v for v in column if v.kind is not ValueKind.NULL), column[0])
    return Value(sample.sql, sample.kind, max(v.scale for v in column), sample.case, stored=sample.kind is ValueKind.BOOL)


def _converted(value: Value, target_value: Value) -> Value:
    return (
        value.with_sql(f"({value.sql})::{_WIDE[target_value.kind]}")
        if target_value.constant == "wide" and target_value.kind in _WIDE
        else value
    )


def _widened(value: Value) -> Value:
    """A column of a recursive query: the first query decides its type in the target, so it has the widest one of its kind."""
    if value.kind not in _WIDE:
        return value
    return replace(value, sql=f"({value.sql})::{_WIDE[value.kind]}", constant="wide")


def _is_loose(value: Value) -> bool:
    return value.kind is ValueKind.TEXT and value.case is not Case.EXACT


def _columns(query: _Query, alias: str, rename: Rename) -> Columns:
    return {
        name.lower(): Value(f"{alias}.{quoted(rename(name))}", v.kind, v.scale, v.case, stored=True, foreign=v.foreign)
        for name, v in zip(query.names, query.values, strict=True)
    }


def _aggregated(node: exp.Expr) -> bool:
    calls = {n.name.lower() for n in node.find_all(exp.Anonymous)}
    return bool(calls & {*AGGREGATES, "count"}) or node.find(exp.GroupConcat) is not None


def _limit(node: exp.Expr) -> str:
    limit, offset = node.args.get("limit"), node.args.get("offset")
    text = f" LIMIT {_number(limit.expression)}" if limit is not None else ""
    return text + (f" OFFSET {_number(offset.expression)}" if offset is not None else "")


def _number(node: exp.Expr) -> str:
    if not isinstance(node, exp.Literal) or node.is_string:
        message = "LIMIT of something else than a number"
        raise ValueError(message)
    return str(int(node.name))


def _unread(value: Value, *, free: bool) -> str:
    """Why a column of a view is not compared; empty where it is."""
    if free:
        return "the source is free to choose the value or its order"
    if value.kind is ValueKind.FLOAT or (value.kind is ValueKind.JSON and not value.stored):
        return f"{value.kind.value} has several forms"
    return "" if value.kind in _COMPARED else f"{value.kind.value} has no common form"


def written(sql: str, relations: Relations, rename: Rename, product: Product) -> WrittenView:
    """A view's query in the target's SQL. Raises ValueError with the part that has no counterpart and why."""
    queries = Queries(relations, rename, product)
    written_query = queries.query(parsed(sql), None)
    columns = tuple(
        RelationColumn(
            name,
            rename(name),
            kind=v.kind.name,
            scale=v.scale,
            case=v.case.name,
            foreign=v.foreign,
            unread=_unread(v, free=at in queries.free),
        )
        for at, (name, v) in enumerate(zip(written_query.names, written_query.values, strict=True))
    )
    changing = tuple(sorted(queries.changing))
    unread = [f"it returns something else each time ({', '.join(changing)})"] if changing else sorted(queries.unsure)
    return WrittenView(written_query.sql, columns, changing, "; ".join(unread), queries.lower)
