"""Functions of PostgreSQL whose result depends on their arguments only and that reach nothing outside (see `sources.functions`)."""

from __future__ import annotations

_WORDS = (
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
FUNCTIONS = frozenset(_WORDS.upper().split())
