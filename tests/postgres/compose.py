"""Expressions of several functions inside each other: where rows are chosen (AND, CASE, COALESCE, …) and what is chosen
fails, is NULL or is chosen again."""
import re

import values
from cases import Program, Template
from mapping import TYPES

DEPTH, COLUMNS_MAX = 4, 8
# By result. A type in brackets is a part to make of that type, and [] one of the result's own.
FORMS = {
    "int64": ["[] + []", "[] - []", "[] * []", "[] / []", "[] % []", "- []",
              "CAST(length([string]) AS int64)",
              "CAST([double] AS int64)",
              "CAST(octet_length([string]) AS int64)", "CAST([string] AS int64)"],
    "double": ["[] + []", "[] - []", "[] * []", "[] / []", "- []", "CAST([int64] AS double)", "[int64] * []"],
    "bool": ["[] AND []", "[] OR []", "NOT []", "[] AND [] AND []", "[] OR [] OR []", "[] IS NULL",
             "[int64] IS NOT NULL",
             "[] IS TRUE", "[] IS NOT FALSE", "[int64] < [int64]", "[int64] = [int64]", "[double] >= [double]",
             "[string] < [string]", "[string] <> [string]", "[timestamp] <= [timestamp]", "[interval] > [interval]",
             "[int64] IS DISTINCT FROM [int64]", "[string] IS NOT DISTINCT FROM [string]", "[] = []",
             "[int64] BETWEEN [int64] AND [int64]", "[string] NOT BETWEEN [string] AND [string]",
             "[int64] IN (1, 7, [int64])", "[string] NOT IN ('a', [string])", "[string] LIKE '%a%'",
             "[string] LIKE 'a_%'", "[int64] < [double]", "([int64] / [int64]) > 0"],
    "string": ["[] || []", "lower([])", "upper([])", "CAST([int64] AS string)", "CAST([bool] AS string)"],
    "timestamp": ["[] + [interval]", "[] - [interval]", "date_trunc('month', [])", "date_trunc('day', [])"],
    "interval": ["[timestamp] - [timestamp]"],
}
CHOICES = ["CASE WHEN [bool] THEN [] ELSE [] END", "CASE WHEN [bool] THEN [] WHEN [bool] THEN [] END",
           "CASE [int64] WHEN [int64] THEN [] WHEN 7 THEN [] ELSE [] END", "COALESCE([], [])", "COALESCE([], [], [])",
           "NULLIF([], [])"]


def mild(rng, before):
    """Numbers that seldom overflow, and often divide by zero."""
    return rng.randint(-3, 9) if rng.random() < 0.85 else values.whole(rng)


def mild_double(rng, before):
    return round(rng.uniform(-9, 9), 1) if rng.random() < 0.7 else values.double(rng)


def mild_timestamp(rng, before):
    return rng.choice(values.TIMESTAMP[:15]) if rng.random() < 0.3 else rng.randint(0, 2 * 10**15)


def mild_interval(rng, before):
    return (rng.randint(-10**11, 10**11), rng.randint(-40, 40), rng.randint(-14, 14))


POOLS = {"int64": mild, "double": mild_double, "timestamp": mild_timestamp, "interval": mild_interval}


class Composer:
    """Makes one expression over columns, each used in several places. There are no literals but those of the forms:
    what constants decide, both sides know before they evaluate, but not to the same extent."""

    def __init__(self, rng):
        self.rng, self.args = rng, []

    def make(self, type_name, depth):
        rng = self.rng
        if depth == 0 or rng.random() < 0.12:
            return f"{{{self.leaf(type_name)}}}"
        form = rng.choice(CHOICES if rng.random() < 0.3 else FORMS[type_name])
        return re.sub(r"\[(\w*)\]", lambda part: f"({self.make(part[1] or type_name, depth - 1)})", form)

    def leaf(self, type_name):
        """The number of an argument."""
        known = [i for i, t in enumerate(self.args) if t == type_name]
        if known and (len(self.args) >= COLUMNS_MAX or self.rng.random() < 0.5):
            return self.rng.choice(known)
        self.args.append(type_name)
        return len(self.args) - 1


def program(rng, signature, rows):
    """A new expression in both languages, and rows for it."""
    while True:
        result = rng.choice(list(FORMS))
        composer = Composer(rng)
        text = composer.make(result, DEPTH)
        if len(composer.args) <= COLUMNS_MAX:
            break
    theirs = re.sub(r"AS (\w+)\)", lambda found: f"AS {TYPES[found[1]].pg})", text)
    pools = {i: POOLS[t] for i, t in enumerate(composer.args) if t in POOLS}
    template = Template(text, theirs, composer.args, result, pools)
    template.signature = signature
    return Program(template, [template.row(rng) for _ in range(rows)])
