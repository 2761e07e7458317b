"""Which functions an expression of a source may call.

Names of functions that are missing here are refused, so that an unknown one is refused, too. `pure` are those whose result
depends on their arguments only and that reach nothing outside: no files, settings, locks, sequences, queries in strings or other
sessions. `known` are besides them what a default, check or view of that engine may call and what its translation knows.
"""

from __future__ import annotations

from sqlglot import exp

from landfall.engine.sources.registry import engine_of

_NUMBERS = "abs acos asin atan atan2 ceil ceiling cos cot degrees exp floor ln log log10 log2 mod pi pow power radians round sign sin sqrt tan"
_TEXTS = "ascii char concat concat_ws left length lower lpad ltrim octet_length replace reverse right rpad rtrim substr substring trim upper"
_CHOICES = "coalesce greatest if ifnull least nullif"
# How sqlglot names what is syntax to people and a function to it, and functions that it gives a name of its own.
_SYNTAX = (
    "and or xor case cast try_cast cast_to_str_type extract collate array between json_extract json_extract_scalar jsonb_extract"
    " jsonb_extract_scalar json_path_root regexp_i_like array_contains_all array_overlaps array_concat array_size bitwise_count chr"
    " convert_timezone day_of_month day_of_week day_of_year getbit hex j_s_o_n_object number_to_str pad s_h_a2_digest str_position str_to_date"
    " str_to_time stuff time_from_parts time_to_str timestamp_add timestamp_from_parts timestamp_trunc trunc ts_or_ds_to_date"
    " ts_or_ds_to_timestamp unix_to_time week_of_year"
)
_MOMENTS = (
    "curdate current_date current_time current_timestamp current_datetime current_user curtime localtime localtimestamp now session_user"
    " sysdate user utc_date utc_time utc_timestamp unix_timestamp uuid rand random"
)
_OVER_ROWS = (
    "any_value avg bit_and bit_or bit_xor count cume_dist dense_rank exists first_value group_concat grouping json_arrayagg json_group_array"
    " json_group_object json_objectagg lag last_value lead max min nth_value ntile percent_rank rank row_number std stddev stddev_pop"
    " stddev_samp string_agg sum total var_pop var_samp variance variance_pop bitwise_and_agg bitwise_or_agg bitwise_xor_agg"
    " j_s_o_n_array_agg j_s_o_n_object_agg"
)

_EVERYWHERE = f"{_NUMBERS} {_TEXTS} {_CHOICES} {_SYNTAX}"
_AT_ANY_TIME = frozenset(f"{_MOMENTS} {_OVER_ROWS}".upper().split())
EVERYWHERE = frozenset(_EVERYWHERE.upper().split())


def pure(engine: str) -> frozenset[str]:
    """Functions whose result depends on their arguments only, in capitals."""
    return EVERYWHERE | engine_of(engine).dialect.functions


def callable_functions(engine: str) -> frozenset[str]:
    """Functions that an expression or query of this engine may call, in capitals."""
    return pure(engine) | _AT_ANY_TIME


def called_functions(tree: exp.Expr) -> tuple[str, ...]:
    """The functions that are called, in capitals and each once, however their names are quoted; `SCHEMA.NAME` where a schema is named."""
    names = {_name(node): None for node in tree.walk() if isinstance(node, exp.Func | exp.UserDefinedFunction)}
    return tuple(names)


def _name(node: exp.Expr) -> str:
    name = node.sql_name() if isinstance(node, exp.Func) and not isinstance(node, exp.Anonymous) else node.name
    parent = node.parent
    if isinstance(parent, exp.Dot) and parent.expression is node:
        name = f"{parent.this.name}.{name}"
    return str(name).upper()
