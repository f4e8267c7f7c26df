"""Cases: from the signature of each line of the function table, expressions in both languages, and rows for them."""
import re

import values
from mapping import COMPARABLE, SCALARS, STORED, TYPES, kappa_literal, pg_literal, to_wire, untyped
from templates import POOLS, SPECIAL, simple_aggregate

ROWS_MAX = 200  # of one program


class Template:
    """An expression with {0}, {1}, … for its arguments, in both languages. result: our type. pools: how arguments are
    made, by position. aggregate: it is a select over groups of rows, and its arguments are columns. constants: the
    positions of arguments that must be literals."""

    def __init__(self, kappa, pg, args, result, pools=None, aggregate=False, reference=None, constants=()):
        self.kappa, self.pg, self.args, self.result = kappa, pg, args, result
        self.pools, self.aggregate, self.reference = pools or {}, aggregate, reference
        self.constants = constants
        self.signature = None

    def value(self, rng, position, before):
        if rng.random() < values.NULL_SHARE:
            return None
        pool = self.pools.get(position)
        return pool(rng, before) if pool else values.ANY[self.args[position]](rng)

    def row(self, rng):
        row = []
        for position in range(len(self.args)):
            row.append(self.value(rng, position, row))
        return tuple(row)


def ours_untyped(type_name, value):
    return untyped(type_name, value)[0]


def theirs_untyped(type_name, value):
    return untyped(type_name, value)[1]


class Program:
    """One expression of ours over columns, and its rows. fixed: arguments that are literals, by position; the others
    are columns a, b, …. untyped: literals have no type but that of what they meet. groups: of an aggregate, lists of
    rows; each is one case."""

    def __init__(self, template, rows, fixed=None, groups=None, untyped=False):
        self.template, self.fixed, self.groups, self.untyped = template, fixed or {}, groups, untyped
        self.rows = rows if groups is None else [row for group in groups for row in group]
        self.columns = [i for i in range(len(template.args)) if i not in self.fixed]
        self.results = []  # ours, by case

    def names(self, literal):
        names = {}
        for position, type_name in enumerate(self.template.args):
            names[position] = literal(type_name, self.fixed[position]) if position in self.fixed else \
                "abcdefgh"[self.columns.index(position)]
        return [names[i] for i in range(len(names))]

    def kappa(self):
        return self.template.kappa.format(*self.names(ours_untyped if self.untyped else kappa_literal))

    def request(self):
        """Its lines for the evaluator."""
        types = [self.template.args[i] for i in self.columns]
        numbers = None if self.groups is None else [n for n, group in enumerate(self.groups) for _ in group]
        head = ["scalar", self.kappa().encode().hex(), str(len(self.rows))]
        if numbers is not None:
            head = ["groups", head[1], head[2], str(len(self.groups))]
        lines = [" ".join(head + types)]
        for n, row in enumerate(self.rows):
            words = [to_wire(self.template.args[i], row[i]) for i in self.columns]
            lines.append(" ".join(([str(numbers[n])] if numbers is not None else []) + words))
        return "\n".join(lines) + "\n"

    def cases(self):
        return self.groups if self.groups is not None else self.rows

    def pg(self, case):
        """PostgreSQL's query for a case."""
        kind = TYPES[self.template.result]
        names = self.names(theirs_untyped if self.untyped else pg_literal)
        expression = self.template.pg.format(*names)

        def columns(row):
            return ", ".join(f"{pg_literal(self.template.args[i], row[i])} AS {names[i]}" for i in self.columns)
        if self.groups is not None:
            source = " UNION ALL ".join(f"SELECT {n} AS n" + (", " + columns(row) if self.columns else "")
                                        for n, row in enumerate(case))
            inner = f"SELECT {expression} AS x FROM ({source}) v"
        else:  # OFFSET 0 keeps the planner from computing with columns as if they were constants
            source = f" FROM (SELECT {columns(case)} OFFSET 0) v" if self.columns else ""
            inner = f"SELECT ({expression}) AS x{source} OFFSET 0"
        return f"SELECT encode({kind.send}(x::{kind.pg}), 'hex') FROM ({inner}) w"

    def shown(self, case):
        """The expression with the arguments of a case, for people."""
        if self.groups is not None:
            return f"{self.kappa()} over {case}"
        row = ", ".join(f"{'abcdefgh'[n]} {self.template.args[i]} = {case[i]!r}" for n, i in enumerate(self.columns))
        return self.kappa() + (f" with {row}" if row else "")


OPERATOR = r"[^\w\s(),]+(?: ?[A-Z]+)*|[A-Z][A-Z ]*"


def types_of(word):
    return {"any": SCALARS, "comparable": COMPARABLE}.get(word, [word] if word in TYPES else None)


def instances(words, result):
    """Each choice of types for any and comparable, the same for all of them; with the result's type."""
    open_types = [types_of(w) for w in words]
    if None in open_types:
        return
    widest = max(open_types, key=len, default=[None])
    for chosen in widest if len(widest) > 1 else [None]:
        args = [t[0] if len(t) == 1 else chosen for t in open_types]
        yield args, args[0] if result in ("the same type", "the first type") else result


def read_aggregate(signature):
    """Templates of an aggregate, by its signature alone."""
    head, _, result = signature.partition(" → ")
    found = re.fullmatch(r"(\w+)\((.*)\)", head)
    words = [w.strip() for w in found[2].split(",")] if found else []
    return [Template(**parts) for args, out in instances(words, result) if set(args) <= set(STORED)
            for parts in simple_aggregate(found[1], args, out)]


def read_signature(signature):
    """Templates by what the signature says alone; none if it says something else."""
    head, _, result = signature.partition(" → ")
    found = re.fullmatch(r"CAST\((\w+) AS (\w+)\)", head)
    if found:
        return [Template(f"CAST({{0}} AS {found[2]})", f"CAST({{0}} AS {TYPES[found[2]].pg})", [found[1]], found[2])]
    found = re.fullmatch(r"(\w+)\((.*)\)", head)
    if found:
        words = [w.strip() for w in found[2].split(",")] if found[2] else []
        text = f"{found[1]}({', '.join(f'{{{i}}}' for i in range(len(words)))})"
        return [Template(text, text, args, out) for args, out in instances(words, result)]
    found = re.fullmatch(rf"(\w+) ({OPERATOR}) (\w+)", head)
    if found and types_of(found[1]) and types_of(found[3]):
        text = f"{{0}} {found[2]} {{1}}"
        return [Template(text, text, args, out) for args, out in instances([found[1], found[3]], result)]
    found = re.fullmatch(rf"({OPERATOR}) (\w+)", head) or re.fullmatch(rf"(\w+) ({OPERATOR})", head)
    if found:
        word, text = (found[2], f"{found[1]} {{0}}") if types_of(found[2]) else (found[1], f"{{0}} {found[2]}")
        return [Template(text, text, args, out) for args, out in instances([word], result)]
    return []


def templates_of(function):
    """All templates of a line of the table. Empty: there is no way yet to make cases for it, which is a failure."""
    signature, name = function["signature"], function["name"]
    special = SPECIAL.get(signature) or SPECIAL.get(name)
    if special:
        made = [Template(*parts) if isinstance(parts, tuple) else Template(**parts) for parts in special]
    else:  # the example of an aggregate has no result
        aggregate = function["example"] and " → " not in function["example"]
        made = read_aggregate(signature) if aggregate else read_signature(signature)
    for template in made:
        template.signature = signature
        for position, type_name in enumerate(template.args):
            pool = POOLS.get((signature, position)) or POOLS.get((name, position))
            if not pool and position > 0 and type_name == template.args[0]:
                pool = values.nearby(type_name)
            if pool:
                template.pools.setdefault(position, pool)
    return made


def variants(template):
    """How arguments may have to be passed to PostgreSQL, whose functions are stricter about integers and decimals."""
    yield template.pg
    for changes in ({"int64": "integer"}, {"double": "numeric"}, {"int64": "integer", "double": "numeric"},
                    {"double": "numeric", "int64": "numeric"}):
        if all(t not in changes for t in template.args):
            continue
        names = [f"({{{i}}})::{changes[t]}" if t in changes else f"{{{i}}}" for i, t in enumerate(template.args)]
        yield template.pg.format(*names)


def groups_of(template, rng, count):
    groups = []
    for _ in range(count):
        groups.append([template.row(rng) for _ in range(rng.choice((1, 1, 2, 3, 4, 5, 8)))])
    return groups


def row_with(template, rng, fixed):
    row = []
    for i in range(len(template.args)):
        row.append(fixed[i] if i in fixed else template.value(rng, i, row))
    return tuple(row)


def programs_of(template, rng, count):
    """At least count cases: half of them over columns alone, the others with literals in all or some places."""
    if template.aggregate:
        for at in range(0, count, 50):
            yield Program(template, None, groups=groups_of(template, rng, min(50, count - at)))
        return
    can = [t != "bytes" for t in template.args]
    literal = count // 4 if all(can) else 0
    mixed = count // 4 if len(template.args) > 1 and any(can) else 0
    if template.constants:
        for _ in range(0, count - literal, 8):
            first = template.row(rng)
            fixed = {i: first[i] for i in template.constants}
            rows = [first] + [row_with(template, rng, fixed) for _ in range(7)]
            yield Program(template, rows, fixed)
        mixed = count - literal
    for at in range(0, count - literal - mixed, ROWS_MAX):
        size = min(ROWS_MAX, count - literal - mixed - at)
        yield Program(template, [template.row(rng) for _ in range(size)])
    for _ in range(literal):
        row = template.row(rng)
        if all(kappa_literal(t, v) is not None for t, v in zip(template.args, row)):
            yield Program(template, [row], dict(enumerate(row)))
        else:
            yield Program(template, [row])
    for _ in range(0, 0 if template.constants else mixed, 8):
        first = template.row(rng)
        fixed = {i: v for i, v in enumerate(first)
                 if kappa_literal(template.args[i], v) is not None and rng.random() < 0.6}
        if len(fixed) == len(first):
            fixed.pop(rng.randrange(len(first)))
        rows = [row_with(template, rng, fixed) for _ in range(8)]
        meets = re.fullmatch(r"\{0\} \S+ \{1\}", template.kappa) and len(set(template.args)) == 1 and len(fixed) == 1
        bare = meets and rng.random() < 0.5 and all(untyped(template.args[i], v) for i, v in fixed.items())
        yield Program(template, rows, fixed, untyped=bare)
