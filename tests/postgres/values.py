"""Arguments: what is at the edges of each type, and what lies between."""
import json
import math
import struct

from mapping import TIMESTAMP_MAX, TIMESTAMP_MIN, civil, clock

NULL_SHARE = 0.08
DAY_US = 86400 * 10**6

INT64 = [0, 1, -1, 2, -2, 3, 7, -7, 10, 63, 64, 100, -1000, 2**15, 2**31 - 1, -2**31, 2**31, 2**32, 3037000499,
         3037000500, 2**53, 2**53 + 1, -2**53 - 1, 2**62, -2**62, 10**18, 2**63 - 1, 2**63 - 2, -2**63, -2**63 + 1]
DOUBLE = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.5, 0.1, 1 / 3, 2.675, math.pi, 100.0, 1e-4, 9.9999e-5,
          1e14, 999999999999999.0, 1e15, 1e16, 123456789012345.6, 2.0**53, 2.0**53 + 2, 9.223372036854775e18,
          2.0**63, -2.0**63, 2.0**64, 1e22, 1e300, -1e300, 1e-300, 1e-310, 5e-324, -5e-324, 2.2250738585072014e-308,
          1.7976931348623157e308, -1.7976931348623157e308, math.inf, -math.inf, math.nan]
STRING = ["", " ", "a", "b", "A", "abc", "ABC", "abcabc", "äöü", "ÄÖÜ", "ß", "İ", "ı", "ſ", "ǅ", "Σίσυφος", "ΣΑΣ",
          "ﬁ", "日本語", "😀", "a😀b", "e\u0301", "Ж", "a,b,c", ",,", ",", "a b  c", "a\tb\nc", "\\", "\\%", "%", "_", "%_%",
          "it's", '"', "0", "-1", "42", "007", " 12 ", "+5", "1e3", "0.1", "-.5", "NaN", "inf", "true", "f", "YES",
          "2026-01-01", "\u00a0x", "\ufeffx", "\x01", "\x7f", "x" * 300, "é" * 70, "\U0010ffff", "\ud7ff", "\ue000",
          "GET /index.html?a=1&b=2", "key=value;other=thing", "2026-01-01T12:30:00Z", "aaaaaaaaab", "ABCdef123",
          "Straße", "ÀÉÎÕÜ", "ĄŁŻ", "ǆ", "Ǆ", "ᾳ", "ᾼ", "ﬀ", "Ⅷ", "ⓐ", "𐐀", "𐐨"]
PIECES = ["a", "b", "ab", "A", "ä", "ß", "日", "😀", ",", ".", " ", "%", "_", "\\", "-", "1", "0", "x", "/", "Z", "é"]
BYTES = [b"", b"\0", b"a", b"abc", b"\xff", b"\xff\xfe\0\x01", bytes(range(256)), b"\x80", "ä".encode(), b"\0" * 70]
SECONDS = 10**6
TIMESTAMP = [0, 1, -1, 999999, -999999, DAY_US - 1, DAY_US, -DAY_US, 951782400 * SECONDS,  # 2000-02-29
             1709164800 * SECONDS, 1767225600 * SECONDS, 1767225599999999, 1738281600 * SECONDS,  # 2024-02-29, 2026, …
             -2208988800 * SECONDS, -62135596800 * SECONDS, -62135596800 * SECONDS - 1, -12219292800 * SECONDS,
             253402300799999999, 253402300800000000, 4102444800 * SECONDS, 946684800 * SECONDS, 946684799999999,
             TIMESTAMP_MIN, TIMESTAMP_MIN + 1, TIMESTAMP_MAX, TIMESTAMP_MAX - 1, -62167219200 * SECONDS,
             1735689600 * SECONDS, 1735603200 * SECONDS, 1766966400 * SECONDS]  # around the weeks of a year's end
INTERVAL = [(0, 0, 0), (1, 0, 0), (-1, 0, 0), (DAY_US, 0, 0), (0, 1, 0), (0, -1, 0), (0, 30, 0), (0, 0, 1), (0, 0, -1),
            (0, 0, 12), (0, 31, -1), (3600 * SECONDS, 0, 0), (90 * SECONDS, 0, 0), (-DAY_US, 1, 0), (1, 1, 1),
            (-1, -1, -1), (0, 2**31 - 1, 0), (0, -2**31, 0), (0, 0, 2**31 - 1), (0, 0, -2**31), (2**63 - 1, 0, 0),
            (-2**63 + 1, 0, 0), (2**63 - 1, 2**31 - 1, 2**31 - 1), (15 * 60 * SECONDS, 0, 0), (500000, 0, 0)]
JSON = ["null", "true", "false", "0", "-1.5e3", '""', '"a"', '"\\u00e4\\n\\"\\\\"', "[]", "{}", "[1,2,3]", '{"a":1}',
        '{"a":{"b":[10,20,{"c":"x"}]}}', ' { "a" : [ 1 , 2 ] , "b" : null } ', '{"a":1,"a":2}', '[[],{},"",null]',
        '{"":1,"é":"ü","😀":true}', '{"n":12345678901234567890,"f":1e400}', '"\\ud83d\\ude00"', '[1,"2",true,null]',
        '{"a":"x","b":{"a":"y"}}', '[-0, 1.0, 1e2]', '{"0":"zero","1":"one"}', '"\\/"', '{"a b":{"c.d":[0]}}',
        '["\\u0000",{"a":"x\\u0000y"}]']


def whole(rng):
    kind = rng.random()
    if kind < 0.08:
        return rng.choice((2**63 - 1, -2**63, 0, -1))
    if kind < 0.45:
        return rng.choice(INT64)
    if kind < 0.8:
        return rng.randint(-20, 20)
    bits = rng.randint(1, 63)
    return rng.getrandbits(bits) * rng.choice((1, -1))


def small(rng):
    """Positions, counts: mostly within a string."""
    return rng.choice((0, 1, -1, 2**31 - 1, -2**31)) if rng.random() < 0.15 else rng.randint(-4, 8)


def shift(rng):
    """Places of bits, as far as PostgreSQL's type of them goes."""
    return rng.choice((0, 1, 63, 64, 65, -1, -64, 2**31 - 1, -2**31)) if rng.random() < 0.4 else rng.randint(0, 63)


def double(rng):
    kind = rng.random()
    if kind < 0.12:
        return rng.choice((math.nan, math.nan, math.inf, -math.inf, 0.0, -0.0))
    if kind < 0.5:
        return rng.choice(DOUBLE)
    if kind < 0.75:
        return round(rng.uniform(-100, 100), rng.randint(0, 4))
    if kind < 0.85:
        return float(rng.randint(-2**60, 2**60))
    return rng.uniform(-1, 1) * 10.0 ** rng.randint(-320, 308)


def string(rng):
    if rng.random() < 0.5:
        return rng.choice(STRING)
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 12)))


def octets(rng):
    return rng.choice(BYTES) if rng.random() < 0.6 else rng.randbytes(rng.randint(0, 20))


def timestamp(rng):
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(TIMESTAMP)
    if kind < 0.8:
        return rng.randint(0, 2 * 10**15)
    if kind < 0.9:
        return rng.randint(-62135596800 * SECONDS, 253402300800 * SECONDS)
    return rng.randint(TIMESTAMP_MIN, TIMESTAMP_MAX)


def interval(rng):
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(INTERVAL)
    if kind < 0.9:
        return (rng.randint(-10**12, 10**12), rng.randint(-400, 400), rng.randint(-60, 60))
    return (rng.randint(-2**62, 2**62), rng.randint(-10**6, 10**6), rng.randint(-10**5, 10**5))


KEYS = ["a", "b", "", "é", "a b", "0", "-1", "null", "NULL", 'q"', "\\", "x,y", "{z}", "😀", "c.d"]


def json_string(rng, text):
    """A string token; its characters sometimes as escapes."""
    out = []
    for c in text:
        if rng.random() < 0.15:
            out.append("".join(f"\\u{unit:04x}" for unit in struct.unpack(f">{len(c.encode('utf-16-be')) // 2}H",
                                                                          c.encode("utf-16-be"))))
        else:
            out.append("\\" + c if c in '"\\' else f"\\u{ord(c):04x}" if c < " " else c)
    return f'"{"".join(out)}"'


def json_text(rng, depth=0):
    if depth == 0 and rng.random() < 0.3:
        return rng.choice(JSON)
    kind = rng.random() + 0.1 * (3 - depth)
    blank = rng.choice(("", "", "", " ", "\n\t", "  "))
    if kind > 0.8 and depth < 4:
        items = [json_text(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 3, 5)))]
        return blank + "[" + f"{blank},{blank}".join(items) + "]" + blank
    if kind > 0.4 and depth < 4:
        members = [f"{json_string(rng, rng.choice(KEYS[:rng.choice((2, 4, 99))]))}{blank}:{json_text(rng, depth + 1)}"
                   for _ in range(rng.choice((0, 1, 2, 3, 5)))]
        return "{" + blank + ",".join(members) + blank + "}"
    return blank + rng.choice(("null", "true", "false", "0", "-1.50e+3", str(whole(rng)), json_string(rng, string(rng)),
                               json_string(rng, rng.choice(PIECES)))) + blank


ANY = {"bool": lambda rng: rng.random() < 0.5, "int64": whole, "double": double, "string": string, "bytes": octets,
       "timestamp": timestamp, "interval": interval, "json": json_text}


# --- Arguments that would rarely mean anything if they were any value of their type: rng, those before -> value ---

def nearby(type_name, at=0):
    """Often equal or close to the argument `at`, so that equality is not only tested where it is false."""
    def make(rng, before):
        first = before[at] if len(before) > at else None
        if first is None or rng.random() < 0.6:
            return ANY[type_name](rng)
        if type_name == "int64" and abs(first) < 2**62:
            return first + rng.randint(-1, 1)
        if type_name == "timestamp" and abs(first) < 2**57:
            return first + rng.choice((0, 1, -1, DAY_US))
        if type_name == "interval" and abs(first[0]) < 2**61 and abs(first[1]) < 2**30 and abs(first[2]) < 2**30:
            us, days, months = first
            return rng.choice((first, (us + DAY_US, days - 1, months), (us, days + 30, months - 1)))
        if type_name == "double":
            return rng.choice((first, -first))
        return first
    return make


def few(type_name, rng):
    """One of a few values, so that several rows have the same."""
    return rng.choice({"bool": (False, True), "int64": (-1, 0, 2), "double": (-1.5, 0.0, math.nan),
                       "string": ("", "a", "ä"), "timestamp": (0, 1, DAY_US),
                       "bytes": (b"", b"a", b"\xff")}[type_name])


def part_of(rng, before):
    """A piece of the first argument, or something else."""
    text = before[0] if before and before[0] is not None else ""
    if not text or rng.random() < 0.4:
        return string(rng) if rng.random() < 0.5 else rng.choice(PIECES)
    begin = rng.randrange(len(text))
    return text[begin:begin + rng.choice((1, 1, 2, 3, len(text)))]


def like_pattern(rng, before):
    text = before[0] if before and before[0] is not None else ""
    out = []
    for c in text[:20] if rng.random() < 0.8 else string(rng):
        kind = rng.random()
        if kind < 0.12:
            out.append("_")
        elif kind < 0.22:
            out.append("%")
        elif kind < 0.3:
            out.append("\\" + c)
        elif kind < 0.35:
            continue
        else:
            out.append("\\" + c if c in "%_\\" and kind < 0.9 else c.swapcase() if kind > 0.9 else c)
    return rng.choice(("", "%")) + "".join(out) + rng.choice(("", "", "%", "_", "\\"))


def beginning_of(rng, before):
    """The beginning of the first argument, or something else."""
    text = before[0] if before and before[0] is not None else ""
    return text[:rng.randint(0, len(text))] if rng.random() < 0.6 else part_of(rng, before)


def width(rng):
    """How long a string is to become."""
    return rng.choice((0, -1, 2**31 - 1, -2**31, 300)) if rng.random() < 0.15 else rng.randint(-2, 20)


def short(rng):
    return rng.choice(("", " ", "ab", "äöü", "😀", "0", "\\")) if rng.random() < 0.6 else string(rng)[:20]


def long_string(rng, before):
    """Of every length up to a few blocks of a hash."""
    return string(rng) if rng.random() < 0.5 else "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 150)))


def long_bytes(rng, before):
    return octets(rng) if rng.random() < 0.4 else rng.randbytes(rng.randint(0, 200))


def escaped_pattern(text):
    return "".join("\\" + c if c in ".[](){}*+?|^$\\" else c for c in text)


def pattern_piece(rng, text):
    """One item of a regular expression that means the same in most dialects."""
    kind = rng.random()
    if text and kind < 0.45:
        begin = rng.randrange(len(text))
        return escaped_pattern(text[begin:begin + rng.choice((1, 1, 2, 3))])
    if kind < 0.55:
        return rng.choice((".", "\\d", "\\w", "\\s", "\\D"))
    if kind < 0.7:
        return rng.choice(("[a-z]", "[^a]", "[0-9]", "[A-Za-z]", "[äöü]", "[^ ,]", "[ab]"))
    if kind < 0.8:
        return f"({pattern_items(rng, text, 2)})"
    if kind < 0.86:
        return f"({escaped_pattern(rng.choice(PIECES))}|{pattern_items(rng, text, 2)})"
    if kind < 0.9:
        return f"(?:{pattern_items(rng, text, 2)})"
    return escaped_pattern(rng.choice(PIECES))


def pattern_items(rng, text, most):
    out = []
    for _ in range(rng.randint(1, most)):
        piece = pattern_piece(rng, text)
        # What repeats what is repeated takes for ever, in Python's re at the latest.
        times = ("", "", "?") if piece.startswith("(") else ("", "", "", "*", "+", "?", "{2}", "{1,3}", "*?", "+?")
        out.append(piece + rng.choice(times))
    return "".join(out)


def pattern(rng, before):
    """A regular expression, often one that matches the first argument."""
    if rng.random() < 0.06:
        return rng.choice(("(", "a)", "[a", "*a", "a**", "a{2,1}", "(?<n>a)", "a++", "\\", "(a)\\1", "(?i)ab", "", "a|",
                           "^$", "[[:alpha:]]+", "(?=a)a", "\\bA", "a{,2}", "x{99999}"))
    text = before[0] if before and before[0] is not None else ""
    items = pattern_items(rng, text[:40], 3)
    return rng.choice(("", "", "", "^")) + items + rng.choice(("", "", "", "$"))


def replacement(rng, before):
    return "".join(rng.choice(("", "x", "<\\1>", "\\&", "\\\\", "\\2", "-", "ä", "\\", "\\0", "\\x")) for _ in range(3))


def words(*choices):
    return lambda rng, before: rng.choice(choices)


def number_text(rng, before):
    if rng.random() < 0.1:
        return rng.choice(("+nan", "-NaN", "inf", "+Infinity", "-INF", "infinit", "0x10", "0X1p-3", "1e400", "-1e400",
                           "1e-400", "1e", "e1", ".", "", "1.", ".5", "1e+5", "1E-05", "0" * 50 + "1", "1" * 60,
                           "0." + "0" * 60 + "1",
                           "1_000", "1,5", "٣", "-0", "--1", "5e-324", "2e-324", "1.7976931348623159e308"))
    kind = rng.random()
    text = repr(double(rng)) if kind < 0.4 else str(whole(rng)) if kind < 0.8 else string(rng)
    behind = rng.choice(("", "", "", " ", "\n", "x", ".", ".0", "e1", "_0", "0"))
    return rng.choice(("", "", " ", "\t", "+")) + text + behind


def whole_text(rng, before):
    return rng.choice(("", "", " ", "+", "-")) + str(whole(rng)) + rng.choice(("", "", "", " ", "0", ".0", "a", "e1")) \
        if rng.random() < 0.8 else string(rng)


def bool_text(rng, before):
    word = rng.choice(("true", "false", "yes", "no", "on", "off", "1", "0", "t", "f", "y", "n", "o", "tr", "of", "10"))
    return rng.choice((word, word.upper(), " " + word, word + "\n", word + "x", string(rng)))


def timestamp_text(rng, before):
    year, month, day, rest = civil(rng.choice(TIMESTAMP) if rng.random() < 0.3 else rng.randint(0, 4 * 10**15))
    if rng.random() < 0.15:
        month, day = rng.choice(((2, 29), (2, 30), (13, 1), (0, 1), (4, 31), (12, 0)))
    if rng.random() < 0.1:
        return rng.choice(("now", "today", "infinity", "-infinity", "epoch", "2026-1-1", "20260101", "1/2/2026", "",
                           "Jan 1 2026", "2026-01-01 25:00", "2026-01-01 24:00:00", "2026-01-01 23:59:60",
                           "2026-01-01T12:00:00.1234567Z", "2026-01-01 12:00:00 UTC", "0000-01-01", "99999-01-01",
                           "2026-01-01 12", "2026-01-01T", "2026-01-01 12:00:00+15:59", "2026-01-01 12:00:00+16:00",
                           "2026-01-01 12:00:00-00:30", "2026-01-01 12:00:00+05", "2026-01-01 00:00:00 BC"))
    time = rng.choice(("", f"T{clock(rest)}Z", f" {clock(rest)}", f" {clock(rest)[:5]}", f"T{clock(rest)}+02:00",
                       f" {clock(rest)}-07", f" {clock(rest)}+0530", f" {clock(rest)}.5", f"t{clock(rest)}z"))
    return rng.choice(("", "", " ")) + f"{year:04}-{month:02}-{day:02}{time}" + rng.choice(("", "", " ", "x"))


def interval_input(rng, before):
    units = ("us", "ms", "s", "sec", "seconds", "min", "minutes", "h", "hours", "d", "days", "w", "weeks", "mon",
             "months", "y", "years", "fortnights", "m", "microseconds", "millisecond")
    if rng.random() < 0.15:
        return rng.choice(("", "1", "P1Y2M", "1-2", "1 2:3", "-1:30", "1:2:3.5", "25:61:00", "1 day ago", "@ 1 day",
                           "0", "1 day -02:00", "1.5 months", "0.5 years", "1e3 s", "99999999999 days",
                           "2147483647 months", "9223372036854775807 us", "9223372036854775808 us",
                           "1 day 1 day", "00:00:00.0000005"))
    parts = []
    for _ in range(rng.randint(1, 3)):
        count = str(rng.choice((rng.randint(-50, 50), rng.randint(0, 10**6))))
        if rng.random() < 0.25:
            count += rng.choice((".5", ".25", ".1", ".123456", ".9999999", "."))
        parts.append(f"{count}{rng.choice((' ', '', ' '))}{rng.choice(units)}")
    return rng.choice((" ", " ", ", ")).join(parts)


def time_unit(rng, before):
    unit = rng.choice(("microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter",
                       "year", "decade", "century", "millennium", "microseconds", "hours", "us", "h", "epoch",
                       "fortnight", "")) if rng.random() < 0.7 else rng.choice(ABBREVIATIONS)
    return rng.choice((unit, unit, unit, unit.upper(), unit.title(), " " + unit))


def places(rng, before):
    """Decimal places, also before the point."""
    return rng.choice((0, 19, -19, 400, -400, 2000, 2**31 - 1, -2**31)) if rng.random() < 0.1 else rng.randint(-20, 20)


def exponent(rng, before):
    """Exponents whose powers are often within a double's range."""
    kind = rng.random()
    if kind < 0.35:
        return float(rng.randint(-9, 9))
    if kind < 0.5:
        return rng.choice((0.5, -0.5, 1 / 3, 1.5, 709.782712893384, -745.1332191019411, -708.4, 2.0, 3.0))
    return rng.uniform(-20, 20) if kind < 0.75 else double(rng)


def bin_size(rng, before):
    """Intervals that date_bin mostly takes."""
    if rng.random() < 0.2:
        return interval(rng)
    return (rng.choice((1, 1000, 900 * SECONDS, 3600 * SECONDS, 7 * SECONDS, rng.randint(1, 10**12))),
            rng.choice((0, 0, 1, 7)), 0)


def epoch_seconds(rng, before):
    kind = rng.random()
    if kind < 0.2:
        return double(rng)
    if kind < 0.6:
        return float(rng.randint(-2 * 10**9, 5 * 10**9))
    return rng.choice((1, 1, 1, 1e2, 1e4)) * rng.uniform(-2e9, 5e9) if kind < 0.9 else rng.randint(-99, 99) / 2e6


def factor(rng, before):
    """By what intervals are multiplied and divided."""
    if rng.random() < 0.3:
        return double(rng)
    return rng.choice((float(rng.randint(-9, 9)), rng.uniform(-3, 3), 0.1, 1 / 3))


FIELDS = ("microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year",
          "decade", "century", "millennium", "dow", "isodow", "doy", "isoyear", "julian", "epoch")
INTERVAL_FIELDS = [name for name in FIELDS if name not in ("week", "dow", "isodow", "doy", "isoyear", "julian")]
ABBREVIATIONS = ("us", "usec", "usecs", "useconds", "ms", "msec", "msecs", "mseconds", "s", "sec", "secs", "seconds",
                 "m", "min", "mins", "minutes", "h", "hr", "hrs", "hours", "d", "days", "w", "weeks", "mon", "mons",
                 "months", "qtr", "y", "yr", "yrs", "years", "dec", "decs", "decades", "c", "cent", "centuries", "mil",
                 "mils", "millennia", "j", "jd")


def field(rng, before):
    """What extract and date_part know, and a little else."""
    kind = rng.random()
    unit = rng.choice(FIELDS if kind < 0.7 else ABBREVIATIONS if kind < 0.95 else ("", "x", "hou", "epoch ", "é"))
    return rng.choice((unit, unit, unit.upper(), unit.title()))


def steps_into(rng, text):
    """A key or a number of an element, of the value; both as texts."""
    value = json.loads(text) if text else None
    if rng.random() < 0.15:
        return rng.choice(KEYS + ["1", "+0", " 0", "0 ", "00", "2147483648", "-2147483648", "x"])
    if isinstance(value, dict) and value:
        return rng.choice(list(value))
    if isinstance(value, list):
        return str(rng.randint(-len(value) - 1, len(value)))
    return rng.choice(KEYS[:4])


def json_key(rng, before):
    return steps_into(rng, before[0])


def json_index(rng, before):
    value = json.loads(before[0]) if before[0] else None
    return rng.randint(-len(value) - 1, len(value)) if isinstance(value, list) else rng.randint(-2, 2)


def json_path(rng, before):
    """A path into the value, as PostgreSQL writes arrays; sometimes none at all."""
    text, steps = before[0], []
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3))):
        step = steps_into(rng, text)
        steps.append(step)
        try:
            value = json.loads(text)
            text = json.dumps(value[int(step) if isinstance(value, list) else step])
        except (ValueError, KeyError, IndexError, TypeError):
            text = "null"
    written = []
    for step in steps:
        bare = rng.random() < 0.5 and step and not set(step) & set('",{}\\ ') and step.lower() != "null"
        written.append(step if bare else '"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"')
    blank = rng.choice(("", "", "", " "))
    if rng.random() < 0.1:
        return rng.choice(("", "a", "{", "}", "{a", "{a,}", "{,a}", '{"a}', '{"a"b}', "{a}b", "{a}}", "{a,null}",
                           "{NULL}", '{"NULL"}', "{nu\\ll}", "{a b}", "{ a , b }", "{a\\ }", "{\\,}", " {a} ", "{ }",
                           "{a\\"))
    return "{" + f"{blank},{blank}".join(written) + "}"


def json_input(rng, before):
    if rng.random() < 0.6:
        text = json_text(rng)
        at = rng.randrange(len(text) + 1)
        return text if rng.random() < 0.5 else text[:at] + rng.choice(('"', ",", "}", "]", "x", "\\", "1", "")) + \
            text[at + rng.randint(0, 1):]
    return rng.choice(("", " ", "nul", "TRUE", "01", "1.", ".5", "+1", "-", "1e", "[1,]", "{,}", '{"a"}', '{"a":}',
                       "{a:1}", "'a'", '"\\x"', '"\\u12"', '"a\nb"', "[1 2]", "1 2", "[" * 100 + "]" * 100, "\ufeff1",
                       "NaN", "[[]", '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', "\u00a01"))
