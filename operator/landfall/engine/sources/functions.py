"""Which functions an expression of a source may call.

Names of functions that are missing here are refused, so that what nobody thought of is refused, too. `pure` are those whose result
depends on their arguments alone and that reach nothing outside: no files, settings, locks, sequences, queries in strings or other
sessions. `known` are besides them what a default, check or view of that engine may call and what its translation knows.
"""

from __future__ import annotations

from sqlglot import exp

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
_POSTGRESQL = (
    "abbrev age array_append array_cat array_length array_lower array_ndims array_position array_prepend array_remove array_replace"
    " array_to_string array_upper bit_count bit_length broadcast btrim cardinality cbrt char_length character_length chr convert_from"
    " convert_to date_bin date_part date_trunc decode div encode factorial family format gcd get_bit get_byte host initcap isempty isfinite"
    " json_array_length json_build_array json_build_object json_extract_path json_extract_path_text json_strip_nulls json_typeof"
    " jsonb_array_length jsonb_build_array jsonb_build_object jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_pretty"
    " jsonb_set jsonb_strip_nulls jsonb_typeof justify_days justify_hours justify_interval lcm lower_inc make_date make_interval make_time"
    " make_timestamp make_timestamptz masklen md5 min_scale netmask network num_nonnulls num_nulls overlay position quote_ident"
    " quote_literal quote_nullable regexp_count regexp_instr regexp_like regexp_match regexp_replace regexp_substr row_to_json scale set_bit"
    " set_byte sha224 sha256 sha384 sha512 split_part starts_with string_to_array strpos to_char to_date to_hex to_json to_jsonb to_number"
    " to_timestamp translate trim_scale trunc upper_inc width_bucket"
)
_MYSQL = (
    "adddate addtime bin bin_to_uuid binary bit_count bit_length char_length character_length conv convert convert_tz crc32 date date_add"
    " date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear div elt export_set field find_in_set format from_base64"
    " from_days from_unixtime hex hour inet6_aton inet6_ntoa inet_aton inet_ntoa insert instr interval is_ipv4 is_ipv4_compat is_ipv4_mapped"
    " is_ipv6 is_uuid isnull json_array json_array_append json_array_insert json_contains json_contains_path json_depth json_insert json_keys"
    " json_length json_merge json_merge_patch json_merge_preserve json_object json_overlaps json_pretty json_quote json_remove json_replace"
    " json_search json_set json_type json_unquote json_valid json_value last_day lcase locate make_set makedate maketime md5 microsecond mid"
    " minute month monthname nvl oct ord period_add period_diff position quarter quote regexp_instr regexp_like regexp_replace regexp_substr"
    " sec_to_time second sha sha1 sha2 soundex str_to_date strcmp subdate substring_index subtime time time_format time_to_sec timediff"
    " timestamp timestampadd timestampdiff to_base64 to_days to_seconds truncate ucase unhex uuid_to_bin week weekday weekofyear"
    " weight_string year yearweek"
)
_SQLITE = (
    "date datetime format glob hex iif instr json json_array json_array_length json_insert json_object json_patch json_quote json_remove"
    " json_replace json_set json_type json_valid julianday like likelihood likely max min printf quote soundex strftime time timediff trunc"
    " typeof unhex unicode unixepoch unlikely"
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
_OWN = {"PostgreSQL": _POSTGRESQL, "MySQL": _MYSQL, "MariaDB": _MYSQL, "SQLite": _SQLITE}
_PURE = {engine: frozenset(f"{_EVERYWHERE} {own}".upper().split()) for engine, own in _OWN.items()}
_KNOWN = {engine: names | frozenset(f"{_MOMENTS} {_OVER_ROWS}".upper().split()) for engine, names in _PURE.items()}


def pure(engine: str) -> frozenset[str]:
    """Functions whose result depends on their arguments alone, in capitals."""
    return _PURE[engine]


def known(engine: str) -> frozenset[str]:
    """Functions that an expression or query of this engine may call, in capitals."""
    return _KNOWN[engine]


def called(tree: exp.Expr) -> tuple[str, ...]:
    """The functions that are called, in capitals and each once, however their names are quoted; `SCHEMA.NAME` where a schema is named."""
    found = {_name(node): None for node in tree.walk() if isinstance(node, exp.Func | exp.UserDefinedFunction)}
    return tuple(found)


def _name(node: exp.Expr) -> str:
    name = node.sql_name() if isinstance(node, exp.Func) and not isinstance(node, exp.Anonymous) else node.name
    parent = node.parent
    if isinstance(parent, exp.Dot) and parent.expression is node:
        name = f"{parent.this.name}.{name}"
    return str(name).upper()
