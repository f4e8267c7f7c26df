"""What the signatures alone do not say: forms with a grammar of their own, what PostgreSQL calls differently, and
which arguments mean something. By signature, else by name.

A new function whose name and arguments are PostgreSQL's needs nothing here. If any argument is likely to be no more
than an error, POOLS says how to make one; if PostgreSQL writes it differently, SPECIAL has both texts; if it has no
such function, SPECIAL has an expression of others, or a Python function (reference) that computes it."""
import math
import re

import values
from mapping import COMPARABLE, STORED, Error
from xxh64 import xxh64

B, I, D, S, Y, T, J, V = "bool", "int64", "double", "string", "bytes", "timestamp", "json", "interval"


def alike(kappa, args, result, pools=None):
    """The same text in both languages."""
    return (kappa, kappa, args, result, pools)


def aggregate(kappa, pg, args, result, pools=None):
    """The select in both languages, without and with a filter, which is one argument more; <where> in PostgreSQL's."""
    condition = f"{{{len(args)}}}"
    common = dict(result=result, pools=pools, aggregate=True)
    return [dict(kappa=kappa, pg=pg.replace("<where>", "TRUE"), args=args, **common),
            dict(kappa=f"{kappa} FILTER (WHERE {condition})", pg=pg.replace("<where>", condition), args=args + [B],
                 **common)]


def simple_aggregate(name, args, result, pools=None):
    call = f"{name}({', '.join(f'{{{i}}}' for i in range(len(args)))})"
    return aggregate(call, f"{call} FILTER (WHERE <where>)", args, result, pools)


def extreme(name, order):
    out = []
    for t in STORED:
        if t == J:
            continue
        if t in (B, Y):  # PostgreSQL 15 has no min and max of these
            out += aggregate(f"{name}({{0}})", f"(array_agg({{0}} ORDER BY {{0}} {order}) "
                             "FILTER (WHERE {0} IS NOT NULL AND <where>))[1]", [t], t)
        else:
            out += simple_aggregate(name, [t], t)
    return out


def best(name, order):
    """Of several rows that are equally good, the one with the least argument; PostgreSQL has no such function."""
    out = []
    for x, y in ((I, D), (S, I), (D, T), (T, S), (B, I), (Y, B), (J, I), (I, Y)):
        key = "({0})::text" if x == J else "{0}"
        out += aggregate(f"{name}({{0}}, {{1}})",
                         f"(array_agg({{0}} ORDER BY {{1}} {order}, {key} NULLS FIRST) "
                         "FILTER (WHERE {1} IS NOT NULL AND <where>))[1]", [x, y], x,
                         {1: lambda rng, before, y=y: values.few(y, rng)})
    return out


def end(name, order):
    """By n, the number of a row; PostgreSQL has no such function."""
    return [t for x in STORED
            for t in aggregate(f"{name}({{0}})", f"(array_agg({{0}} ORDER BY n {order}) FILTER (WHERE <where>))[1]",
                               [x], x)]


def modulo(a, b):
    if a is None or b is None:
        return None
    if math.isnan(a) or math.isnan(b):
        return math.nan
    if b == 0:
        return Error("22012")
    return math.nan if math.isinf(a) else math.fmod(a, b)


def each(types, text, result=None, first=()):
    """A template for each type: arguments of the types `first`, then as many of the type as the text has."""
    count = len(set(re.findall(r"{\d}", text)))
    return [alike(text, [*first, *([t] * (count - len(first)))], result or t,
                  {i: values.nearby(t, len(first)) for i in range(len(first) + 1, count)}) for t in types]


def regex(kappa, args, result, pg=None, pools=None, constants=(1,)):
    """A template whose second argument is a regular expression."""
    return dict(kappa=kappa, pg=pg or kappa, args=args, result=result, constants=constants,
                pools={0: lambda rng, before: values.string(rng)[:30], 1: values.pattern, **(pools or {})})


SMALL_WHOLE = {1: lambda rng, before: rng.randint(-2, 3)}

SPECIAL = {
    "IS DISTINCT FROM": each(COMPARABLE, "{0} IS DISTINCT FROM {1}", B) +
                        each(COMPARABLE, "{0} IS NOT DISTINCT FROM {1}", B),
    "AND": [alike("{0} AND {1}", [B, B], B), alike("{0} AND {1} AND {2}", [B, B, B], B),
            alike("{0} AND ({1} OR NOT {2})", [B, B, B], B),
            alike("{1} <> 0 AND 7 / {1} > {0}", [I, I], B, SMALL_WHOLE),
            alike("{0} AND 7 / {1} > 0", [B, I], B, SMALL_WHOLE),
            alike("7 / {0} > 0 AND false", [I], B, {0: SMALL_WHOLE[1]})],
    "OR": [alike("{0} OR {1}", [B, B], B), alike("{0} OR {1} OR {2}", [B, B, B], B),
           alike("({0} OR {1}) AND {2}", [B, B, B], B), alike("{1} = 0 OR 7 / {1} > {0}", [I, I], B, SMALL_WHOLE),
           alike("{0} OR 7 / {1} > 0", [B, I], B, SMALL_WHOLE)],
    "CASE": each(COMPARABLE, "CASE WHEN {0} THEN {1} ELSE {2} END", first=[B]) +
            each(COMPARABLE, "CASE WHEN {0} THEN {1} END", first=[B]) +
            each(COMPARABLE, "CASE {0} WHEN {1} THEN 'one' WHEN {2} THEN 'two' ELSE 'many' END", S) +
            [alike("CASE WHEN {0} THEN {2} WHEN {1} THEN 7 / {2} END", [B, B, I], I, {2: SMALL_WHOLE[1]}),
             alike("CASE WHEN {1} <> 0 THEN {0} / {1} ELSE -1 END", [I, I], I, SMALL_WHOLE),
             alike("CASE WHEN {0} THEN {1} ELSE {2} END", [B, I, D], D)],
    "COALESCE": each(COMPARABLE, "COALESCE({0}, {1})") + each(COMPARABLE, "COALESCE({0}, {1}, {2})") +
                [alike("COALESCE({0}, 7 / {1})", [I, I], I, SMALL_WHOLE), alike("COALESCE({0}, {1})", [I, D], D)],
    "NULLIF": each(COMPARABLE, "NULLIF({0}, {1})"),
    "IN": each(COMPARABLE, "{0} IN ({1}, {2}, {3})", B) + each(COMPARABLE, "{0} NOT IN ({1}, {2})", B) +
          [alike("{0} IN (1, 2, NULL, -7, {1})", [I, I], B), alike("{0} NOT IN ('a', 'b', '')", [S], B)],
    "BETWEEN": each(COMPARABLE, "{0} BETWEEN {1} AND {2}", B) + each(COMPARABLE, "{0} NOT BETWEEN {1} AND {2}", B),
    "BETWEEN SYMMETRIC": each(COMPARABLE, "{0} BETWEEN SYMMETRIC {1} AND {2}", B) +
                         each(COMPARABLE, "{0} NOT BETWEEN SYMMETRIC {1} AND {2}", B),
    "greatest": each(COMPARABLE, "greatest({0}, {1})") + each(COMPARABLE, "greatest({0}, {1}, {2})") +
                [alike("greatest({0})", [S], S), alike("greatest({0}, {1}, 7)", [I, D], D)],
    "least": each(COMPARABLE, "least({0}, {1})") + each(COMPARABLE, "least({0}, {1}, {2})") +
             [alike("least({0})", [T], T), alike("least({0}, {1}, 7)", [I, D], D)],
    "concat_ws": [alike("concat_ws({0}, {1})", [S, S], S),
                  alike("concat_ws({0}, {1}, {2}, NULL, {1})", [S, S, S], S)],
    "trim": [alike(f"trim({sides} FROM {{0}})", [S], S) for sides in ("", "BOTH", "LEADING", "TRAILING")] +
            [alike(f"trim({sides} {{1}} FROM {{0}})", [S, S], S) for sides in ("", "BOTH", "LEADING", "TRAILING")] +
            [alike("trim({0})", [S], S), alike("trim({0}, {1})", [S, S], S)],
    "position": [alike("position({1} IN {0})", [S, S], I)],
    "sha256(string) → string": [("sha256({0})", "encode(sha256(convert_to({0}, 'UTF8')), 'hex')", [S], S)],
    "sha256(bytes) → string": [("sha256({0})", "encode(sha256({0}), 'hex')", [Y], S)],
    "xxhash": [dict(kappa="xxhash({0})", pg=None, args=[t], result=I, reference=xxh64, pools={0: pool})
               for t, pool in ((S, values.long_string), (Y, values.long_bytes))],
    "concat": [alike("concat({0})", [S], S), alike("concat({0}, {1})", [S, S], S),
               alike("concat({0}, ', ', {1}, {2}, {3}, {0}, {1}, NULL, {2})", [S, S, S, S], S)],
    "<<": [("{0} << {1}", "({0})::bigint << ({1})::integer", [I, I], I)],
    ">>": [("{0} >> {1}", "({0})::bigint >> ({1})::integer", [I, I], I)],
    "string ILIKE string → bool": [alike("{0} ILIKE {1}", [S, S], B), alike("{0} NOT ILIKE {1}", [S, S], B),
                                   alike("{0} ILIKE {1} ESCAPE {2}", [S, S, S], B,
                                         {1: values.like_pattern, 2: values.words("!", "", "%", "é", "ab", "a", "A")})],
    "string ~ string → bool": [regex("{0} ~ {1}", [S, S], B), regex("{0} !~ {1}", [S, S], B)],
    "string ~* string → bool": [regex("{0} ~* {1}", [S, S], B), regex("{0} !~* {1}", [S, S], B)],
    "regexp_substr(string, string) → string": [regex("regexp_substr({0}, {1})", [S, S], S)],
    "regexp_substr(string, string, int64) → string": [
        regex("regexp_substr({0}, {1}, {2})", [S, S, I], S, "regexp_substr({0}, {1}, 1, 1, '', ({2})::integer)",
              {2: values.words(0, 1, 1, 1, 1, 2, 2, -1, 9)})],
    "regexp_replace(string, string, string) → string": [
        regex("regexp_replace({0}, {1}, {2})", [S, S, S], S, pools={2: values.replacement})],
    "regexp_replace(string, string, string, string) → string": [
        regex("regexp_replace({0}, {1}, {2}, {3})", [S, S, S, S], S, constants=(1, 3),
              pools={2: values.replacement, 3: values.words("", "g", "g", "gi", "i", "gg")})],
    "string LIKE string → bool": [alike("{0} LIKE {1}", [S, S], B), alike("{0} NOT LIKE {1}", [S, S], B)],
    "like_escape": [alike("like_escape({0}, {1})", [S, S], S),
                    alike("{0} LIKE {1} ESCAPE {2}", [S, S, S], B,
                          {1: values.like_pattern, 2: values.words("!", "", "%", "_", "é", "ab", "\\", "a")})],
    "CAST(bool AS int64)": [("CAST({0} AS int64)", "CAST({0} AS integer)", [B], I)],
    "CAST(int64 AS bool)": [("CAST({0} AS bool)", "{0} <> 0", [I], B)],
    "CAST(json AS string)": [("CAST({0} AS string)", "CAST({0} AS text)", [J], S)],
    "double % double → double": [dict(kappa="{0} % {1}", pg=None, args=[D, D], result=D, reference=modulo)],
    # PostgreSQL has these of decimals alone; bigint would become one, but a double comes first there.
    **{f"{name}(int64, int64) → int64": [(f"{name}({{0}}, {{1}})", f"{name}(({{0}})::numeric, ({{1}})::integer)",
                                          [I, I], I)] for name in ("round", "trunc")},
    # Its field is a word of the grammar, or a constant; date_part is the same with any string.
    **{f"extract(string FROM {t}) → double":
       [dict(kappa=f"extract({field} FROM {{0}})", pg=f"extract({field} FROM {{0}})", args=[t], result=D)
        for field in (values.FIELDS if t == T else values.INTERVAL_FIELDS)] for t in (T, V)},
    # A path is a text here, and read as PostgreSQL reads an array.
    "json #> string → json": [("{0} #> {1}", "({0}) #> ({1})::text[]", [J, S], J)],
    "json #>> string → string": [("{0} #>> {1}", "({0}) #>> ({1})::text[]", [J, S], S)],
    "count(*) → int64": aggregate("count(*)", "count(*) FILTER (WHERE <where>)", [I], I),
    "count(DISTINCT any) → int64": [t for name in STORED if name != J for t in aggregate(
        "count(DISTINCT {0})", "count(DISTINCT {0}) FILTER (WHERE <where>)", [name], I)],
    "min": extreme("min", ""),
    "max": extreme("max", "DESC"),
    "arg_min": best("arg_min", ""),
    "arg_max": best("arg_max", "DESC"),
    "first": end("first", ""),
    "last": end("last", "DESC"),
}

POOLS = {
    ("split_part", 1): values.part_of,
    ("split_part", 2): lambda rng, before: values.small(rng),
    ("substring", 1): lambda rng, before: values.small(rng),
    ("substring", 2): lambda rng, before: values.small(rng),
    ("LIKE", 1): values.like_pattern,
    ("ILIKE", 1): values.like_pattern,
    **{(name, 1): values.part_of for name in ("btrim", "ltrim", "rtrim", "trim", "position", "strpos", "replace")},
    ("starts_with", 1): values.beginning_of,
    **{(name, 1): lambda rng, before: values.small(rng) for name in ("left", "right", "repeat")},
    **{(name, 1): lambda rng, before: values.width(rng) for name in ("lpad", "rpad")},
    **{(name, 2): lambda rng, before: values.short(rng) for name in ("lpad", "rpad", "replace")},
    ("<<", 1): lambda rng, before: values.shift(rng),
    (">>", 1): lambda rng, before: values.shift(rng),
    ("like_escape", 0): lambda rng, before: values.like_pattern(rng, [values.string(rng)]),
    ("like_escape", 1): values.words("!", "", "%", "_", "é", "ab", "\\", "a"),
    ("round", 1): values.places,
    ("trunc", 1): values.places,
    ("^", 1): values.exponent,
    ("power", 1): values.exponent,
    ("pow", 1): values.exponent,
    ("exp", 0): values.exponent,
    ("date_trunc", 0): values.time_unit,
    ("json -> string → json", 1): values.json_key,
    ("json ->> string → string", 1): values.json_key,
    ("json -> int64 → json", 1): values.json_index,
    ("json ->> int64 → string", 1): values.json_index,
    ("#>", 1): values.json_path,
    ("#>>", 1): values.json_path,
    ("CAST(string AS json)", 0): values.json_input,
    ("date_part", 0): values.field,
    ("date_bin", 0): values.bin_size,
    ("to_timestamp", 0): values.epoch_seconds,
    ("interval * double → interval", 1): values.factor,
    ("double * interval → interval", 0): values.factor,
    ("interval / double → interval", 1): values.factor,
    ("CAST(string AS bool)", 0): values.bool_text,
    ("CAST(string AS int64)", 0): values.whole_text,
    ("CAST(string AS double)", 0): values.number_text,
    ("CAST(string AS timestamp)", 0): values.timestamp_text,
    ("CAST(string AS interval)", 0): values.interval_input,
}
