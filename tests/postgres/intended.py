"""Where Kappa differs on purpose: the list is docs/language.md's, by its marks; here each mark has a test of what
exactly the difference is, and cases that always show it."""
import decimal
import json
import math
import os
import re
from fractions import Fraction

from mapping import Error, same, TIMESTAMP_MAX, TIMESTAMP_MIN, civil, clock
from values import DAY_US

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "language.md")
SECTION = "## Where Kappa differs from PostgreSQL on purpose"


def listed():
    """The marks of the page's section: lines that begin with "- `mark`"."""
    with open(PAGE, encoding="utf-8") as page:
        text = page.read()
    if SECTION not in text:
        return []
    section = text.split(SECTION, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^- `([a-z0-9-]+)`", section, re.M)


RULES = {}


def rule(mark, *witnesses):
    """witnesses: (signature, arguments) that show the difference, whatever the seed; a list of rows for an aggregate.
    Where the signature is open, the types of the arguments behind them."""
    def register(function):
        RULES[mark] = (function, witnesses)
        return function
    return register


def which(case):
    """The mark of the difference that the case shows, or None: it is none on purpose."""
    return next((mark for mark, (test, _) in RULES.items() if test(case)), None)


def is_error(value, *words):
    return isinstance(value, Error) and (not words or value.word in words)


def argument(case, type_name):
    """The first argument of the type."""
    return case.row[case.template.args.index(type_name)]


def leaves_range(case):
    """Whether a sum with months may be out of the range on its way: first months are added, then days."""
    if "interval" not in case.template.args:
        return False
    sign = -1 if "{0} - {1}" in case.template.kappa else 1
    _, days, months = argument(case, "interval")
    on_the_way = argument(case, "timestamp") + sign * months * 2629746 * 10**6
    slack = 62 * DAY_US
    return any(us < TIMESTAMP_MIN + slack or us > TIMESTAMP_MAX - slack
               for us in (on_the_way, on_the_way + sign * days * DAY_US))


@rule("timestamp-range", ("timestamp + interval → timestamp", (TIMESTAMP_MIN, (0, -1, 0))),
      ("timestamp - interval → timestamp", (TIMESTAMP_MAX, (0, -1, 0))),
      ("to_timestamp(double) → timestamp", (math.inf,)), ("to_timestamp(double) → timestamp", (-1e12,)))
def timestamp_range(case):
    if case.template.signature.startswith("to_timestamp("):
        if is_error(case.ours, "overflow", "K0324"):
            return isinstance(case.theirs, (int, float)) and (case.theirs > TIMESTAMP_MAX or math.isinf(case.theirs))
        return is_error(case.theirs, "22008") and isinstance(case.ours, int) and case.ours < TIMESTAMP_MIN
    if case.template.result != "timestamp" or "timestamp" not in case.template.args:
        return False
    if is_error(case.ours, "overflow", "K0324"):  # beyond the last of ours, not beyond the last of theirs
        return isinstance(case.theirs, int) and (case.theirs > TIMESTAMP_MAX or leaves_range(case))
    if not is_error(case.theirs, "22008") or not isinstance(case.ours, int):
        return False
    if not TIMESTAMP_MIN <= case.ours <= TIMESTAMP_MAX:
        return True
    return leaves_range(case)


@rule("timestamp-difference", ("timestamp - timestamp → interval", (TIMESTAMP_MIN, TIMESTAMP_MAX)))
def timestamp_difference(case):
    if case.template.signature != "timestamp - timestamp → interval" or not is_error(case.ours, "overflow", "K0324"):
        return False
    return not -2**63 <= case.row[0] - case.row[1] < 2**63


FORMS = ("AND", "OR", "CASE", "COALESCE")


@rule("constant-errors")
def constant_errors(case):
    if not is_error(case.ours, "K0324", "K0305") or is_error(case.theirs):
        return False
    return None in case.row or any(word in case.template.kappa for word in FORMS)


@rule("unneeded-errors", ("bool AND bool → bool", (0,)))
def unneeded_errors(case):
    return case.template.kappa.endswith(" AND false") and is_error(case.ours, "division_by_zero") and \
        case.theirs is False


@rule("like-escape-last", ("string LIKE string → bool", ("b", "a\\")))
def like_escape_last(case):
    if "LIKE " not in case.template.kappa or not isinstance(case.theirs, bool):
        return False
    pattern, escape = case.row[1], case.row[2] if len(case.row) > 2 else "\\"
    at = 0
    while at < len(pattern):
        if escape and pattern[at] == escape:
            at += 1
            if at == len(pattern):
                return is_error(case.ours, "like", "K0324")
        at += 1
    return False


# What is ASCII alone in pcre2, also where letters match in either case.
ASCII = {r"\d": "(?-i:[0-9])", r"\D": "(?-i:[^0-9])", r"\w": "(?-i:[A-Za-z0-9_])", r"\s": r"(?-i:[ \t\n\r\f\v])",
         r"\b": "(?-i:(?<=[A-Za-z0-9_])(?![A-Za-z0-9_])|(?<![A-Za-z0-9_])(?=[A-Za-z0-9_]))",
         "[[:alpha:]]": "(?-i:[A-Za-z])"}


def python_pattern(pattern, flags=0):
    """The pattern for Python's re, whose dialect is pcre2's for all that the cases have; None: it is none there."""
    pattern = pattern.replace("(?<", "(?P<").replace("{,2}", r"\{,2\}")
    pattern = re.sub(r"\\.|\[\[:alpha:\]\]", lambda part: ASCII.get(part[0], part[0]), pattern, flags=re.DOTALL)
    try:
        return re.compile(pattern, flags)
    except re.error:
        return None


def replaced(found, text, replacement, every):
    """As PostgreSQL goes from match to match: behind an empty one, the next begins a character later."""
    out, copied, start = [], 0, 0
    while start <= len(text) and (match := found.search(text, start)):
        def part(mark, match=match):
            number = 0 if mark[1] == "&" else int(mark[1]) if mark[1].isdigit() else None
            return "\\" if number is None else (match.group(number) or "") if number <= found.groups else ""
        out += [text[copied:match.start()], re.sub(r"\\([&1-9\\])", part, replacement)]
        copied, start = match.end(), max(match.end(), match.start() + 1)
        if not every:
            break
    return "".join(out) + text[copied:]


@rule("regex-dialect", ("string ~ string → bool", ("a\n", "a$")), ("string ~ string → bool", ("aa", "a++")),
      ("regexp_substr(string, string) → string", ("abc", "a|ab")))
def regex_dialect(case):
    """Ours is what Python's re has."""
    signature = case.template.signature
    if not signature.startswith(("string ~", "regexp_")) or None in case.row or is_error(case.ours, "regex"):
        return False
    text, pattern = case.row[:2]
    fold = "~*" in signature or len(case.row) > 3 and "i" in case.row[3]
    found = python_pattern(pattern, re.IGNORECASE if fold else 0)
    if not found:
        return is_error(case.ours, "K0324") and not is_error(case.theirs)
    match = found.search(text)
    if signature.startswith("string ~"):
        return case.ours == ((match is not None) != ("!~" in case.template.kappa))
    if signature.startswith("regexp_replace"):
        return case.ours == replaced(found, text, case.row[2], len(case.row) > 3 and "g" in case.row[3])
    group = case.row[2] if len(case.row) > 2 else 0
    if not 0 <= group <= found.groups:
        alone = group == 1 and found.groups == 0 and not is_error(case.theirs)
        return is_error(case.ours, "argument", "K0324") and (case.theirs is None or alone)
    return case.ours == (match.group(group) if match else None)


@rule("regex-bounds", ("string ~ string → bool", ("a" * 40 + "b", "(a+)+$")))
def regex_bounds(case):
    """Given up, for a pattern that repeats what is repeated."""
    return is_error(case.ours, "regex") and not is_error(case.theirs) and \
        re.search(r"[*+}?]\??\)+[*+{]", case.row[1]) is not None


@rule("long-strings", ("repeat(string, int64) → string", ("ab", 2**23 + 1)))
def long_strings(case):
    name = case.template.signature.split("(")[0]
    return name in ("concat", "concat_ws", "replace", "regexp_replace", "repeat", "lpad", "rpad") and \
        is_error(case.ours, "overflow", "K0324") and isinstance(case.theirs, str) and \
        len(case.theirs.encode()) > 2**24


def timestamp_words(us):
    """As we print it: in UTC without saying so, a year outside 0 … 9999 with its sign."""
    year, month, day, rest = civil(us)
    shown = f"{year:04}" if 0 <= year <= 9999 else f"{year:+05}"
    time = clock(rest)
    return f"{shown}-{month:02}-{day:02} {time.rstrip('0') if '.' in time else time}"


@rule("timestamp-text", ("CAST(timestamp AS string)", (0,)))
def timestamp_text(case):
    return case.template.args == ["timestamp"] and case.template.result == "string" and \
        isinstance(case.theirs, str) and "+00" in case.theirs and case.ours == timestamp_words(case.row[0])


# What the page says is read as a timestamp.
OUR_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d"
                           r"([Tt ]([01]\d|2[0-3]):\d\d(:[0-5]\d(\.\d{1,6}0*)?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?")


@rule("timestamp-input", ("CAST(string AS timestamp)", ("Jan 1 2026",)),
      ("CAST(string AS timestamp)", ("0000-01-01",)),
      ("CAST(string AS timestamp)", ("2026-01-01T12:00:00.1234567Z",)))
def timestamp_input(case):
    if case.template.signature != "CAST(string AS timestamp)":
        return False
    text = case.row[0].strip()
    if is_error(case.ours, "cast", "K0305"):
        return not is_error(case.theirs) and not OUR_TIMESTAMP.fullmatch(text)
    if is_error(case.theirs):
        return text.startswith(("0000", "+", "-")) or case.theirs.word == "22009"
    # Digits behind the microseconds are cut off here, and round there.
    return re.search(r"\.\d{6}[5-9]", text) and case.theirs - case.ours == 1


# Our units, by the field that PostgreSQL counts them as: it takes each field once.
UNITS = [("us", "usec", "usecs", "microsecond", "microseconds"), ("ms", "msec", "msecs", "millisecond", "milliseconds"),
         ("s", "sec", "secs", "second", "seconds"), ("m", "min", "mins", "minute", "minutes"),
         ("h", "hr", "hrs", "hour", "hours"), ("d", "day", "days"), ("w", "week", "weeks"),
         ("mon", "mons", "month", "months"), ("y", "yr", "yrs", "year", "years")]
FIELD = {word: units[0] for units in UNITS for word in units}
CLOCK = r"\d+:[0-5]?\d(?::[0-5]?\d(?:\.\d{1,6}0*)?)?"
UNIT = "|".join(sorted(FIELD, key=len, reverse=True))
OUR_INTERVAL = re.compile(rf"(?:\s*[+-]?(?:{CLOCK}|\d+(\.\d{{1,6}}0*)?\s*(?:{UNIT})))+\s*")


@rule("interval-input", ("CAST(string AS interval)", ("1-2",)), ("CAST(string AS interval)", ("1 day 1 day",)))
def interval_input(case):
    if case.template.signature != "CAST(string AS interval)":
        return False
    text = case.row[0].lower()
    if is_error(case.ours, "cast", "K0305"):
        months = re.search(r"\.\d+\s*(mon|y)", text)
        return not is_error(case.theirs) and (months or not OUR_INTERVAL.fullmatch(text))
    fields = [FIELD.get(word, word) for word in re.findall("[a-z]+", text)]
    time = [field for field in fields if field in ("us", "ms", "s", "m", "h")]
    again = len(set(fields)) < len(fields) or (":" in text and time) or text.count(":") > 2 or \
        ("s" in time and ("us" in time or "ms" in time)) or ("us" in time and "ms" in time)
    return is_error(case.theirs, "22007") and again


def passing(case):
    """The first argument in the rows that pass the filter and are not NULL."""
    position = case.template.args.index("bool") if "FILTER" in case.template.kappa else None
    return [row[0] for row in case.row if row[0] is not None and (position is None or row[position])]


def exact_sum(values):
    """The sum of finite doubles, rounded once; infinite where it is too large."""
    total = sum(map(Fraction, values))
    try:
        return float(total)
    except OverflowError:
        return math.copysign(math.inf, total)


@rule("exact-sums", ("sum(double) → double", [(1e16, True), (1.0, True), (1.0, True), (-1e16, True)]))
def exact_sums(case):
    if case.template.signature not in ("sum(double) → double", "avg(double) → double"):
        return False
    values = passing(case)
    if not values:
        return False
    if not all(map(math.isfinite, values)):
        plain = sum(value for value in values if not math.isfinite(value))
        return is_error(case.theirs, "22003") and same(case.ours, plain)
    total = exact_sum(values)
    if math.isinf(total):
        return is_error(case.ours, "overflow")
    return case.ours == (total / len(values) if case.template.signature.startswith("avg") else total)


SPREADS = ("var", "stddev")


def exact_variance(values, sample):
    n = len(values)
    total, squares = sum(map(Fraction, values)), sum(Fraction(value) ** 2 for value in values)
    return (squares - total * total / n) / (n - 1 if sample else n)


@rule("exact-spread", ("stddev(int64) → double", [(0, True), (1, True), (-135236559397729, True)]),
      ("var_pop(double) → double", [(1e300, True)]))
def exact_spread(case):
    name = case.template.signature.split("(")[0]
    if not name.startswith(SPREADS):
        return False
    values = passing(case)
    if is_error(case.ours, "overflow"):  # a square is beyond a double
        return any(abs(value) > 1.34e154 for value in values)
    if not isinstance(case.ours, float):
        return False
    if not all(map(math.isfinite, values)):
        return math.isnan(case.ours) and is_error(case.theirs, "22003")
    exact = exact_variance(values, not name.endswith("_pop"))
    ours = Fraction(case.ours)
    # Both are rounded a few times behind the exact part; the root is compared by its square.
    ours, slack = (ours * ours, 5) if name.startswith("stddev") else (ours, 3)
    return abs(ours - exact) <= exact * slack / 2**53 + len(values) * Fraction(1, 2**1073)


@rule("integer-mean", ("avg(int64) → double", [(9007199254740993, True), (1, True), (1, True)]))
def integer_mean(case):
    values = passing(case) if case.template.signature == "avg(int64) → double" else []
    return values and case.ours == float(sum(values)) / len(values)


@rule("one-zero", ("max(comparable) → the same type", [(-0.0, True)], ["double", "bool"]))
def one_zero(case):
    return case.template.aggregate and case.ours == case.theirs == 0


@rule("double-text", ("CAST(double AS string)", (5.179490652200856e+17,)))
def double_text(case):
    return case.template.signature == "CAST(double AS string)" and isinstance(case.ours, str) and \
        float(case.ours) == float(case.theirs) == case.row[0] and len(case.ours) < len(case.theirs)


@rule("double-input", ("CAST(string AS double)", ("0x1p3",)))
def double_input(case):
    return case.template.signature == "CAST(string AS double)" and is_error(case.ours, "cast", "K0305") and \
        "0x" in case.row[0].lower()


def true_value(name, row):
    """The double nearest to the true value, by decimals of 120 digits."""
    x = decimal.Decimal(row[0])
    with decimal.localcontext() as context:
        context.prec, context.Emax, context.Emin = 120, decimal.MAX_EMAX, decimal.MIN_EMIN
        if name == "cbrt":
            return float((abs(x) ** (decimal.Decimal(1) / 3)).copy_sign(x))
        if name in ("power", "pow", "^"):
            return float(x ** decimal.Decimal(row[1]))
        return float({"exp": x.exp, "ln": x.ln, "log": x.log10, "log10": x.log10}[name]())


@rule("last-digit", ("log10(double) → double", (1 / 3,)), ("cbrt(double) → double", (1.5,)))
def last_digit(case):
    found = re.match(r"(cbrt|power|pow|exp|ln|log|log10)\(", case.template.kappa)
    name = found[1] if found else "^" if " ^ " in case.template.kappa else None
    both = all(isinstance(value, float) and math.isfinite(value) for value in (case.ours, case.theirs))
    if not name or not both or None in case.row or case.template.signature.startswith("("):
        return False
    return abs(case.ours - case.theirs) <= 4 * math.ulp(case.ours) and case.ours == true_value(name, case.row)


@rule("date-part", ("date_part(string, timestamp) → double", ("julian", 1883543051256757)),
      ("date_part(string, interval) → double", ("epoch", (-78729234951, -254, -48))))
def date_part(case):
    if not case.template.signature.startswith("date_part(") or None in case.row or not isinstance(case.ours, float):
        return False
    field, value = case.row[0].lower(), case.row[1]
    us, days, months = (value, 0, 0) if isinstance(value, int) else value
    years = int(Fraction(months, 12))
    date = 86400 * (Fraction(years * 1461, 4) + (months - 12 * years) * 30 + days)
    minute = abs(us) % 60000000 * (1 if us >= 0 else -1) if value is not us else us % 60000000
    exact = Fraction(us, 10**6) + date if field == "epoch" else \
        Fraction(us, DAY_US) + 2440588 if field in ("julian", "j", "jd") else \
        Fraction(minute, 10**6) if field in ("second", "seconds", "s", "sec", "secs") else \
        Fraction(minute, 1000) if re.fullmatch("ms|msecs?|mseconds|milliseconds?", field) else None
    return exact is not None and case.ours == float(exact)


@rule("json-escapes", ("CAST(string AS json)", ('"\\ud800"',)), ("json ->> int64 → string", ('["\\u0000"]', 0)))
def json_escapes(case):
    if case.template.signature == "CAST(string AS json)":
        return is_error(case.ours, "cast", "K0305") and case.theirs == case.row[0] and \
            re.search(r"\\u[dD][89a-fA-F]", case.row[0])
    return is_error(case.theirs, "22P05") and "\\u0000" in case.row[0] and not is_error(case.ours)


STEP = re.compile(r'\s*(?:"((?:\\.|[^"\\])*)"|((?:\\.|[^,{}"\\])+?))\s*(?:,|}\s*$)')


def at_path(value, path):
    """What lies there, where of members with one key the last counts; None, also for null."""
    for quoted, bare in STEP.findall(path.strip()[1:]):
        step = re.sub(r"\\(.)", r"\1", quoted or bare)
        try:
            value = value[int(step)] if isinstance(value, list) else value[step] if isinstance(value, dict) else None
        except (ValueError, KeyError, IndexError):
            return None
    return value


@rule("json-paths", ("json #> string → json", ('{"b":{"b":1},"b":2}', "{b,b}")),
      ("json #>> string → string", (" 1 ", "{}")))
def json_paths(case):
    if " #>" not in case.template.kappa:
        return False
    if case.row[0] is None and is_error(case.theirs, "22P02"):
        return case.ours is None
    if is_error(case.ours) or is_error(case.theirs) or None in case.row:
        return False
    if case.row[1].strip("{} ") == "":
        return case.ours == case.row[0].strip() == case.theirs.strip()
    value = at_path(json.loads(case.row[0]), case.row[1])
    found = case.ours if case.ours is None or (isinstance(value, str) and ">>" in case.template.kappa) else \
        json.loads(case.ours)
    return found == value and "," in case.row[1] and case.row[0].count('"') > 4
