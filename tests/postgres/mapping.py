"""The one table of how types, values and errors of Kappa and of PostgreSQL correspond.

Values here: None for NULL, bool, int, float, str (string, json), bytes, int for timestamp (µs since 1970), and
(µs, days, months) for interval.
"""
import math
import struct

EPOCH_2000_US = 946684800 * 10**6
TIMESTAMP_MIN, TIMESTAMP_MAX = -210866803200000000, 2**63 - 1  # PostgreSQL's first, our last


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def civil(us):
    """Year, month, day and µs of the day, in the proleptic Gregorian calendar."""
    days, rest = divmod(us, 86400 * 10**6)
    era, doe = divmod(days + 719468, 146097)
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (month <= 2), month, doy - (153 * mp + 2) // 5 + 1, rest


def clock(rest):
    seconds, us = divmod(rest, 10**6)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + (f".{us:06}" if us else "")


def pg_timestamp(us):
    year, month, day, rest = civil(us)
    return f"{year if year > 0 else 1 - year:04}-{month:02}-{day:02} {clock(rest)}+00{'' if year > 0 else ' BC'}"


def kappa_timestamp(us):
    year, month, day, rest = civil(us)
    return f"{year:04}-{month:02}-{day:02}T{clock(rest)}Z" if 1 <= year <= 9999 else None


def interval_text(value):
    us, days, months = value
    return f"{months} months {days} days {us} microseconds"


def kappa_double(value):
    if not math.isfinite(value):
        return f"'{value!r}'::double"
    text = repr(value)
    return f"({text})" if text.startswith("-") else text


def kappa_interval(value):
    # Our text has no number below -INT64_MAX, and PostgreSQL's none at all for it.
    return f"INTERVAL '{interval_text(value)}'" if value[0] > -2**63 else None


class Type:
    """pg: PostgreSQL's name. same: its types that correspond to ours, as results. literal: our literal, or None if
    there is none for the value. pg_text: PostgreSQL's text of the value. send: its function for the wire."""

    def __init__(self, pg, same, send, literal, pg_text, pack, unpack):
        self.pg, self.same, self.send = pg, same, send
        self.literal, self.pg_text, self.pack, self.unpack = literal, pg_text, pack, unpack


def number(form):
    return lambda value: struct.pack(form, value), lambda data: struct.unpack(form, data)[0]


TEXT = (lambda value: value.encode(), lambda data: data.decode())
TYPES = {
    "bool": Type("boolean", {"boolean"}, "boolsend", lambda v: "true" if v else "false",
                 lambda v: f"'{'t' if v else 'f'}'", *number(">?")),
    "int64": Type("bigint", {"bigint", "integer", "smallint", "numeric"}, "int8send",
                  lambda v: str(v) if v >= 0 else f"({v})", lambda v: f"'{v}'", *number(">q")),
    "double": Type("double precision", {"double precision", "real", "numeric"}, "float8send", kappa_double,
                   lambda v: f"'{v!r}'", *number(">d")),
    "string": Type("text", {"text", "character varying", "name"}, "textsend", quoted, quoted, *TEXT),
    "bytes": Type("bytea", {"bytea"}, "byteasend", lambda v: None, lambda v: f"'\\x{v.hex()}'", bytes, bytes),
    "timestamp": Type("timestamp with time zone", {"timestamp with time zone"}, "timestamptz_send",
                      lambda v: kappa_timestamp(v) and f"TIMESTAMP '{kappa_timestamp(v)}'",
                      lambda v: f"'{pg_timestamp(v)}'", *number(">q")),
    "json": Type("json", {"json"}, "json_send", lambda v: f"{quoted(v)}::json", quoted, *TEXT),
    "interval": Type("interval", {"interval"}, "interval_send", kappa_interval,
                     lambda v: quoted(interval_text(v)), lambda v: struct.pack(">qii", *v),
                     lambda data: struct.unpack(">qii", data)),
}
SCALARS = list(TYPES)
COMPARABLE = [name for name in TYPES if name != "json"]
STORED = [name for name in TYPES if name != "interval"]  # what a schema may hold


def kappa_literal(type_name, value):
    """Our text for the value, or None where it can only come from a column."""
    return f"NULL::{type_name}" if value is None and TYPES[type_name].literal is not None and \
        type_name != "bytes" else None if value is None else TYPES[type_name].literal(value)


def pg_literal(type_name, value):
    kind = TYPES[type_name]
    return f"NULL::{kind.pg}" if value is None else f"{kind.pg_text(value)}::{kind.pg}"


def untyped(type_name, value):
    """The value as a literal in quotes alone, which takes the type of what it meets: ours and PostgreSQL's. None where
    there is no such literal."""
    if value is None or kappa_literal(type_name, value) is None:
        return None
    theirs = TYPES[type_name].pg_text(value)
    return quoted(kappa_timestamp(value)) if type_name == "timestamp" else theirs, theirs


def to_wire(type_name, value):
    return "-" if value is None else "x" + TYPES[type_name].pack(value).hex()


class Error:
    """A row, or an expression, that has no value. word: our reason, or the class of PostgreSQL's SQLSTATE."""

    def __init__(self, word, text=""):
        self.word, self.text = word, text

    def __repr__(self):
        return f"error {self.word}{': ' + self.text if self.text else ''}"


def from_kappa(type_name, word):
    if word == "-":
        return None
    if word[0] == "!":
        return Error(word[1:])
    if word[0] == "?":
        return Error("two ways of evaluation disagree", word[2:])
    return TYPES[type_name].unpack(bytes.fromhex(word[1:]))


def from_pg(type_name, data):
    """data: hexadecimal, None for NULL."""
    if data is None:
        return None
    value = TYPES[type_name].unpack(bytes.fromhex(data))
    if type_name == "timestamp":
        return math.inf if value == 2**63 - 1 else -math.inf if value == -2**63 else value + EPOCH_2000_US
    return value


# What our reasons are called there. A refusal at validation (K0305, K0324) stands for any error of a value.
ERRORS = {
    "22003": {"overflow", "underflow", "cast"},   # numeric_value_out_of_range
    "22012": {"division_by_zero"},
    "22P02": {"cast"},                            # invalid_text_representation
    "22007": {"cast"},                            # invalid_datetime_format
    "22008": {"overflow", "cast", "argument"},    # datetime_field_overflow
    "22009": {"cast"},                            # invalid_time_zone_displacement_value
    "22015": {"overflow", "cast"},                # interval_field_overflow
    "22023": {"argument"},                        # invalid_parameter_value
    "22011": {"argument"},                        # substring_error
    "22019": {"like"},                            # invalid_escape_character
    "22025": {"like"},                            # invalid_escape_sequence
    "2201B": {"regex", "argument"},               # invalid_regular_expression
    "2201E": {"argument"},                        # invalid_argument_for_logarithm
    "2201F": {"argument"},                        # invalid_argument_for_power_function
    "0A000": {"argument"},                        # feature_not_supported
    "54000": {"overflow"},                        # program_limit_exceeded
}


def same(ours, theirs):
    if isinstance(ours, Error) or isinstance(theirs, Error):
        if not (isinstance(ours, Error) and isinstance(theirs, Error)):
            return False
        if ours.word in ("K0305", "K0324"):
            return theirs.word.startswith("22") or theirs.word in ("0A000", "54000")
        return ours.word in ERRORS.get(theirs.word, ())
    if isinstance(ours, float) and isinstance(theirs, float):
        if math.isnan(ours) or math.isnan(theirs):
            return math.isnan(ours) and math.isnan(theirs)
        return ours == theirs and math.copysign(1, ours) == math.copysign(1, theirs)
    return type(ours) is type(theirs) and ours == theirs
