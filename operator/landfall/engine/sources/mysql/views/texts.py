"""Functions over texts."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from landfall.engine.sources.mysql.views.comparing import compared
from landfall.engine.sources.mysql.views.values import (
    TEXTS,
    Case,
    Value,
    ValueKind,
    as_decimal,
    as_integer,
    as_text,
    at_least_zero,
    compared_text,
    integer,
    shared_case,
    text,
    text_literal,
)

_SAFE_PATTERN = re.compile(
    r"(?:[^\\\[\](){}?*+]|\\[.\\()*+?|^$/-]|\\[dwsDWS]|\[\^?(?:[^\\\[\]]|\[:[a-z]+:\])+\]|[()*+?]|\{\d+(?:,\d*)?\})*"
)
_IPV4 = r"^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.|$)){4}$"


def constant_integer(value: Value, subject: str) -> int:
    """A literal integer. Raises ValueError for anything else."""
    match = re.fullmatch(r"-?\d{1,18}", value.constant or "") if value.kind is ValueKind.INT else None
    if not match:
        message = f"{subject} is no literal number"
        raise ValueError(message)
    return int(match.group())


def constant_text(value: Value, subject: str) -> str:
    """A literal text. Raises ValueError for anything else."""
    if value.kind is not ValueKind.TEXT or value.constant is None:
        message = f"{subject} is no literal text"
        raise ValueError(message)
    return value.constant


def concat(*values: Value) -> Value:
    """All texts one after the other; NULL if one is NULL."""
    texts = [as_text(v) for v in values]
    return text(f"({' || '.join(v.sql for v in texts)})", shared_case(values))


def _concat_ws(separator: Value, *values: Value) -> Value:
    texts = [as_text(separator), *(as_text(v) for v in values)]
    return text(f"concat_ws({', '.join(v.sql for v in texts)})", shared_case(texts))


def _text_function(name: str) -> Callable[[Value], Value]:
    def call(value: Value) -> Value:
        converted = as_text(value)
        return text(f"{name}({converted.sql})", converted.case)

    return call


def _counted(name: str) -> Callable[[Value], Value]:
    def call(value: Value) -> Value:
        if value.kind is ValueKind.BYTES:
            return integer(f"octet_length({value.sql})")
        return integer(f"{name}({as_text(value).sql})")

    return call


def _edge(name: str) -> Callable[[Value, Value], Value]:
    def call(value: Value, count: Value) -> Value:
        converted = as_text(value)
        return text(f"{name}({converted.sql}, {at_least_zero(count)})", converted.case)

    return call


def _padded(name: str) -> Callable[..., Value]:
    def call(value: Value, size: Value, fill: Value) -> Value:
        if constant_integer(size, f"the length of {name}") < 0 or not constant_text(fill, f"what {name} fills with"):
            message = f"{name} with a negative length or nothing to fill with"
            raise ValueError(message)
        converted = as_text(value)
        return text(f"{name}({converted.sql}, {size.sql}, {fill.sql})", shared_case([converted, fill]))

    return call


def _substring(value: Value, start: Value, size: Value | None = None) -> Value:
    s = as_text(value)
    length = "" if size is None else f", {at_least_zero(size)}"
    at = f"({as_integer(start).sql})::integer"
    if start.kind is ValueKind.INT and start.constant is not None and int(start.constant) > 0:
        return text(f"substr({s.sql}, {start.sql}{length})", s.case)
    back = f"char_length({s.sql}) + {at} + 1"
    return text(
        f"(CASE WHEN {at} > 0 THEN substr({s.sql}, {at}{length}) WHEN {at} = 0 OR {back} < 1 THEN left({s.sql}, 0)"
        f" ELSE substr({s.sql}, {back}{length}) END)",
        s.case,
    )


def _locate(part: Value, whole: Value, start: Value | None = None) -> Value:
    case = shared_case([part, whole])
    a, b = compared_text(part, case), compared_text(whole, case)
    if start is None:
        return integer(f"strpos({b}, {a})")
    at = constant_integer(start, "the start of LOCATE")
    if at < 1:
        message = "LOCATE starts before the first character"
        raise ValueError(message)
    position = f"strpos(substr({b}, {at}), {a})"
    return integer(f"(CASE WHEN {position} = 0 THEN 0 ELSE {position} + {at - 1} END)")


def _repeat(value: Value, count: Value) -> Value:
    converted = as_text(value)
    return text(f"repeat({converted.sql}, ({as_integer(count).sql})::integer)", converted.case)


def _space(count: Value) -> Value:
    return _repeat(text_literal(" "), count)


def _replace(value: Value, old: Value, new: Value) -> Value:
    converted_texts = [as_text(v) for v in (value, old, new)]
    return text(f"replace({', '.join(v.sql for v in converted_texts)})", shared_case(converted_texts))


def trimmed(value: Value, position: str, characters: Value | None) -> Value:
    """TRIM. `position`: BOTH, LEADING or TRAILING; without `characters`, of spaces."""
    if characters is not None and len(constant_text(characters, "what TRIM removes")) != 1:
        message = "TRIM removes a text of several characters, which the target takes for a set of characters"
        raise ValueError(message)
    converted = as_text(value)
    return text(
        f"trim({position} {characters.sql if characters else chr(39) + ' ' + chr(39)} FROM {converted.sql})", converted.case
    )


def _ascii(value: Value) -> Value:
    converted = as_text(value).sql
    return integer(f"(CASE WHEN {converted} = '' THEN 0 ELSE get_byte(convert_to({converted}, 'UTF8'), 0) END)")


def _char(*values: Value) -> Value:
    codes = [constant_integer(v, "an argument of CHAR") for v in values]
    if not all(0 <= code < 256 for code in codes):
        message = "CHAR of a number above 255"
        raise ValueError(message)
    return Value(f"'\\x{bytes(codes).hex()}'::bytea", ValueKind.BYTES)


def _hex(value: Value) -> Value:
    if value.kind in {ValueKind.INT, ValueKind.BOOL, ValueKind.NUM}:
        return text(f"upper(to_hex({as_integer(value).sql}::bigint))")
    octets = value.sql if value.kind is ValueKind.BYTES else f"convert_to({as_text(value).sql}, 'UTF8')"
    return text(f"upper(encode({octets}, 'hex'))")


def _md5(value: Value) -> Value:
    return text(f"md5({value.sql if value.kind is ValueKind.BYTES else as_text(value).sql})")


def _sha2(value: Value, bits: Value) -> Value:
    size = constant_integer(bits, "the size of SHA2") or 256
    if size not in {224, 256, 384, 512}:
        message = f"SHA2 of {size} bits"
        raise ValueError(message)
    octets = value.sql if value.kind is ValueKind.BYTES else f"convert_to({as_text(value).sql}, 'UTF8')"
    return text(f"encode(sha{size}({octets}), 'hex')")


def _crc32(value: Value) -> Value:
    return integer(f"{zlib.crc32(constant_text(value, 'the argument of CRC32').encode())}::bigint")


def _find_in_set(value: Value, listed: Value) -> Value:
    if listed.kind is ValueKind.LIST:
        message = "the position in a set is that of its type in the source"
        raise ValueError(message)
    case = shared_case([value, listed])
    part, whole = compared_text(value, case), compared_text(listed, case)
    members = f"string_to_array({whole}, ',')"
    return integer(
        f"(CASE WHEN {part} IS NULL OR {listed.sql} IS NULL THEN NULL ELSE coalesce(array_position({members}, {part}), 0) END)"
    )


def _field(value: Value, *listed: Value) -> Value:
    kinds = {v.kind for v in (value, *listed)}
    if not (kinds <= TEXTS or not kinds & TEXTS):
        message = "FIELD compares texts with numbers"
        raise ValueError(message)
    arms = " ".join(f"WHEN {compared(value, '=', item)} THEN {at}" for at, item in enumerate(listed, 1))
    return integer(f"(CASE {arms} ELSE 0 END)")


def _elt(number: Value, *listed: Value) -> Value:
    arms = " ".join(f"WHEN {at} THEN {as_text(item).sql}" for at, item in enumerate(listed, 1))
    return text(f"(CASE {as_integer(number).sql} {arms} END)", shared_case(listed))


def _substring_index(value: Value, mark: Value, count: Value) -> Value:
    s, many = as_text(value), constant_integer(count, "the count of SUBSTRING_INDEX")
    if not constant_text(mark, "the delimiter of SUBSTRING_INDEX"):
        message = "the delimiter of SUBSTRING_INDEX is empty"
        raise ValueError(message)
    parts = f"string_to_array({s.sql}, {mark.sql})"
    if many == 0:
        return text(f"left({s.sql}, 0)", s.case)
    some = f"[1:{many}]" if many > 0 else f"[greatest(cardinality({parts}) - {-many - 1}, 1):]"
    return text(f"array_to_string(({parts}){some}, {mark.sql})", s.case)


def _format(value: Value, decimals: Value) -> Value:
    many = max(constant_integer(decimals, "the decimals of FORMAT"), 0)
    if value.kind is ValueKind.FLOAT or many > 30:
        message = "FORMAT of a floating-point number"
        raise ValueError(message)
    form = ",".join(["999"] * 12) + ",990" + (f".{'0' * many}" if many else "")
    return text(f"to_char(round({as_decimal(value).sql}, {many}), 'FM{form}')")


def _inet_aton(value: Value) -> Value:
    address = constant_text(value, "the argument of INET_ATON")
    if not re.fullmatch(_IPV4, address):
        message = f"{address!r} is no IPv4 address"
        raise ValueError(message)
    number = int.from_bytes(bytes(int(n) for n in address.split(".")), "big")
    return integer(f"{number}::bigint")


def _inet_ntoa(value: Value) -> Value:
    n = as_integer(value).sql
    return text(f"(CASE WHEN {n} BETWEEN 0 AND 4294967295 THEN host('0.0.0.0'::inet + ({n})::bigint) END)")


def _strcmp(left: Value, right: Value) -> Value:
    case = shared_case([left, right])
    a, b = compared_text(left, case), compared_text(right, case)
    return integer(f"(CASE WHEN {a} < {b} THEN -1 WHEN {a} = {b} THEN 0 WHEN {a} > {b} THEN 1 END)")


_DIGITS = {2: 1, 8: 3, 16: 4}
_WHOLE = re.compile(r"\d{1,18}")


def _conv(value: Value, old: Value, new: Value) -> Value:
    base, new_base = constant_integer(old, "a base of CONV"), constant_integer(new, "a base of CONV")
    if value.constant is not None and 2 <= base <= 36:
        try:
            number = int(value.constant, base)
        except ValueError:
            message = f"CONV of {value.constant!r}, which is no number of base {base}"
            raise ValueError(message) from None
        forms = {2: "b", 8: "o", 10: "d", 16: "X"}
        if new_base in forms and 0 <= number < 2**63:
            return text_literal(format(number, forms[new_base]))
    if base == 10 and new_base == 16 and value.kind is ValueKind.INT:
        return text(f"upper(to_hex(({value.sql})::bigint))")
    if base == 10 and new_base == 2 and value.kind is ValueKind.INT:
        bits = f"ltrim(({value.sql})::bigint::bit(64)::text, '0')"
        return text(f"(CASE WHEN {bits} = '' THEN '0' ELSE {bits} END)")
    message = f"CONV from base {base} to base {new_base}"
    raise ValueError(message)


def pattern(value: Value) -> Value:
    """A regular expression that both sides read in the same way."""
    expression = constant_text(value, "the regular expression")
    if not _SAFE_PATTERN.fullmatch(expression):
        message = f"the regular expression {expression!r} has parts that the target may read otherwise"
        raise ValueError(message)
    return value


def regexp(value: Value, expression: Value) -> str:
    """SQL of a match with a regular expression."""
    word = "~" if shared_case([value, expression]) is Case.EXACT else "~*"
    return f"({as_text(value).sql} {word} {pattern(expression).sql})"


def _regexp_like(value: Value, expression: Value) -> Value:
    return Value(regexp(value, expression), ValueKind.BOOL)


def _regexp_replace(value: Value, expression: Value, new: Value) -> Value:
    if set(constant_text(new, "the replacement of REGEXP_REPLACE")) & {"\\", "$"}:
        message = "the replacement of REGEXP_REPLACE refers to groups"
        raise ValueError(message)
    flags = "g" if shared_case([value, expression]) is Case.EXACT else "gi"
    converted = as_text(value)
    return text(f"regexp_replace({converted.sql}, {pattern(expression).sql}, {new.sql}, '{flags}')", converted.case)


def _unhex(value: Value) -> Value:
    digits = constant_text(value, "the argument of UNHEX")
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2})*", digits):
        message = "UNHEX of a text that is no hexadecimal number"
        raise ValueError(message)
    return Value(f"'\\x{digits.lower()}'::bytea", ValueKind.BYTES)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "concat": concat,
    "concat_ws": _concat_ws,
    "lower": _text_function("lower"),
    "lcase": _text_function("lower"),
    "upper": _text_function("upper"),
    "ucase": _text_function("upper"),
    "reverse": _text_function("reverse"),
    "length": _counted("octet_length"),
    "octet_length": _counted("octet_length"),
    "char_length": _counted("char_length"),
    "character_length": _counted("char_length"),
    "bit_length": _counted("bit_length"),
    "left": _edge("left"),
    "right": _edge("right"),
    "lpad": _padded("lpad"),
    "rpad": _padded("rpad"),
    "substr": _substring,
    "substring": _substring,
    "mid": _substring,
    "locate": _locate,
    "instr": lambda whole, part: _locate(part, whole),
    "repeat": _repeat,
    "space": _space,
    "replace": _replace,
    "ltrim": lambda value: trimmed(value, "LEADING", None),
    "rtrim": lambda value: trimmed(value, "TRAILING", None),
    "ascii": _ascii,
    "char": _char,
    "hex": _hex,
    "unhex": _unhex,
    "md5": _md5,
    "sha2": _sha2,
    "crc32": _crc32,
    "find_in_set": _find_in_set,
    "field": _field,
    "elt": _elt,
    "substring_index": _substring_index,
    "format": _format,
    "inet_aton": _inet_aton,
    "inet_ntoa": _inet_ntoa,
    "strcmp": _strcmp,
    "conv": _conv,
    "bin": lambda value: _conv(value, Value("10", ValueKind.INT, constant="10"), Value("2", ValueKind.INT, constant="2")),
    "regexp_like": _regexp_like,
    "regexp_replace": _regexp_replace,
}
