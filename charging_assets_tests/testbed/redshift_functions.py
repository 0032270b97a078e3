"""Names of the functions in Redshift's documentation; other functions are refused.

A function that the bed does not implement (`functions.sql`) fails with PostgreSQL's error.
"""

from __future__ import annotations

_AGGREGATES = """
any_value approximate avg count listagg max median min percentile_cont percentile_disc stddev_samp
stddev_pop stddev sum var_samp var_pop variance bit_and bit_or bool_and bool_or
"""

_WINDOW = """
cume_dist dense_rank first_value last_value lag lead nth_value ntile percent_rank rank
ratio_to_report row_number
"""

_CONDITIONAL = "coalesce decode greatest least nvl nvl2 nullif case"

_DATES = """
add_months convert_timezone current_date date_cmp date_cmp_timestamp date_cmp_timestamptz date_part
date_part_year dateadd datediff date_trunc extract getdate interval_cmp last_day months_between
next_day sysdate timeofday timestamp_cmp timestamp_cmp_date timestamp_cmp_timestamptz
timestamptz_cmp timestamptz_cmp_date timestamptz_cmp_timestamp timezone to_timestamp trunc
date_add date_diff date now current_timestamp localtimestamp age
"""

_MATHS = """
abs acos asin atan atan2 cbrt ceiling ceil cos cot degrees dexp dlog1 dlog10 exp floor ln log mod pi
power pow radians random round sin sign sqrt tan trunc to_hex from_hex
"""

_TEXTS = """
ascii bpcharcmp btrim bttext_pattern_cmp charindex chr collate concat crc32 difference initcap left
len length char_length character_length textlen lower lpad rpad ltrim octetindex octet_length
position quote_ident quote_literal regexp_count regexp_instr regexp_replace regexp_substr repeat
replace replicate reverse right rtrim soundex split_part strpos strtol substring substr translate
trim upper text_to_int_alt text_to_numeric_alt
"""

_JSON = """
can_json_parse is_valid_json is_valid_json_array json_array_length json_extract_array_element_text
json_extract_path_text json_parse json_serialize json_serialize_to_varbyte json_size json_typeof
array array_concat array_flatten get_array_length split_to_array subarray array_contains
array_distinct array_except array_intersection array_position array_positions array_sort array_union
array_to_string object object_transform get_number_attributes lower_attribute_names
upper_attribute_names is_array is_bigint is_boolean is_char is_decimal is_float is_integer is_object
is_scalar is_smallint is_super is_varchar decimal_precision decimal_scale
"""

_HASHES = """
checksum farmfingerprint64 fnv_hash func_sha1 murmur3_32_hash md5 sha sha1 sha2 strtol
from_varbyte to_varbyte getbit
"""

_TYPES = "cast convert text_to_int_alt to_char to_date to_number try_cast"

_SYSTEM = """
changes_query_priority current_aws_account current_database current_namespace current_schema
current_schemas current_session_arn current_setting current_user current_user_id current_userid
has_assumerole_privilege has_database_privilege has_schema_privilege has_table_privilege
pg_backend_pid pg_cancel_backend pg_get_cols pg_get_late_binding_view_cols pg_last_copy_count
pg_last_copy_id pg_last_query_id pg_last_unload_count pg_last_unload_id pg_terminate_backend
role_is_member_of session_user slice_num user user_is_member_of version set_config
"""

DOCUMENTED = frozenset(
    " ".join(
        (
            _AGGREGATES,
            _WINDOW,
            _CONDITIONAL,
            _DATES,
            _MATHS,
            _TEXTS,
            _JSON,
            _HASHES,
            _TYPES,
            _SYSTEM,
        )
    ).split()
)

# These run on the leader node only, so not in queries of user tables.
LEADER_ONLY = frozenset({"generate_series", "generate_subscripts", "now", "age"})
