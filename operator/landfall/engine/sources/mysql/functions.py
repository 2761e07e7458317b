"""Functions of MySQL and MariaDB whose result depends on their arguments only and that reach nothing outside (see `sources.functions`)."""

from __future__ import annotations

_WORDS = (
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
FUNCTIONS = frozenset(_WORDS.upper().split())
