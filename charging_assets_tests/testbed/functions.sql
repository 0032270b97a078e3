-- Redshift's functions, in a schema that is searched first; every database of the bed has them.
CREATE SCHEMA rs;
GRANT USAGE ON SCHEMA rs TO PUBLIC;
REVOKE CREATE ON SCHEMA rs FROM PUBLIC;
-- As in Redshift, and unlike in PostgreSQL since 15.
GRANT CREATE ON SCHEMA public TO PUBLIC;

CREATE FUNCTION rs.getdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT statement_timestamp() AT TIME ZONE 'UTC' $$;

CREATE FUNCTION rs.sysdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT transaction_timestamp() AT TIME ZONE 'UTC' $$;

-- Spellings of date parts that Redshift knows, as PostgreSQL's.
CREATE FUNCTION rs.part_name(part text) RETURNS text LANGUAGE sql IMMUTABLE
AS $$
SELECT CASE lower(part)
    WHEN 'y' THEN 'year' WHEN 'yr' THEN 'year' WHEN 'years' THEN 'year' WHEN 'yrs' THEN 'year'
    WHEN 'qtr' THEN 'quarter' WHEN 'qtrs' THEN 'quarter' WHEN 'quarters' THEN 'quarter'
    WHEN 'mon' THEN 'month' WHEN 'mons' THEN 'month' WHEN 'months' THEN 'month'
    WHEN 'w' THEN 'week' WHEN 'weeks' THEN 'week'
    WHEN 'd' THEN 'day' WHEN 'days' THEN 'day'
    WHEN 'h' THEN 'hour' WHEN 'hr' THEN 'hour' WHEN 'hrs' THEN 'hour' WHEN 'hours' THEN 'hour'
    WHEN 'm' THEN 'minute' WHEN 'min' THEN 'minute' WHEN 'mins' THEN 'minute'
    WHEN 'minutes' THEN 'minute'
    WHEN 's' THEN 'second' WHEN 'sec' THEN 'second' WHEN 'secs' THEN 'second'
    WHEN 'seconds' THEN 'second'
    WHEN 'ms' THEN 'millisecond' WHEN 'msec' THEN 'millisecond' WHEN 'msecs' THEN 'millisecond'
    WHEN 'msecond' THEN 'millisecond' WHEN 'mseconds' THEN 'millisecond'
    WHEN 'millisec' THEN 'millisecond' WHEN 'millisecs' THEN 'millisecond'
    WHEN 'millisecon' THEN 'millisecond' WHEN 'milliseconds' THEN 'millisecond'
    WHEN 'us' THEN 'microsecond' WHEN 'usec' THEN 'microsecond' WHEN 'usecs' THEN 'microsecond'
    WHEN 'microsec' THEN 'microsecond' WHEN 'microsecs' THEN 'microsecond'
    WHEN 'microsecond' THEN 'microsecond' WHEN 'microseconds' THEN 'microsecond'
    WHEN 'dayofweek' THEN 'dow' WHEN 'dw' THEN 'dow' WHEN 'weekday' THEN 'dow'
    WHEN 'dayofyear' THEN 'doy' WHEN 'dy' THEN 'doy' WHEN 'yearday' THEN 'doy'
    ELSE lower(part)
END
$$;

CREATE FUNCTION rs.dateadd(part text, many bigint, moment timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE
AS $$
SELECT moment + many * CASE rs.part_name(part)
    WHEN 'year' THEN interval '1 year' WHEN 'quarter' THEN interval '3 months'
    WHEN 'month' THEN interval '1 month' WHEN 'week' THEN interval '7 days'
    WHEN 'day' THEN interval '1 day' WHEN 'hour' THEN interval '1 hour'
    WHEN 'minute' THEN interval '1 minute' WHEN 'second' THEN interval '1 second'
    WHEN 'millisecond' THEN interval '1 millisecond'
    WHEN 'microsecond' THEN interval '1 microsecond'
END
$$;

-- Boundaries crossed, not time elapsed.
CREATE FUNCTION rs.datediff(part text, earlier timestamp, later timestamp) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$
SELECT CASE rs.part_name(part)
    WHEN 'year' THEN extract(year FROM later)::bigint - extract(year FROM earlier)::bigint
    WHEN 'quarter' THEN
        (extract(year FROM later)::bigint - extract(year FROM earlier)::bigint) * 4
        + extract(quarter FROM later)::bigint - extract(quarter FROM earlier)::bigint
    WHEN 'month' THEN
        (extract(year FROM later)::bigint - extract(year FROM earlier)::bigint) * 12
        + extract(month FROM later)::bigint - extract(month FROM earlier)::bigint
    -- Weeks begin on Sunday here, unlike in date_trunc.
    WHEN 'week' THEN
        ((later::date - extract(dow FROM later)::int)
        - (earlier::date - extract(dow FROM earlier)::int)) / 7
    WHEN 'day' THEN later::date - earlier::date
    WHEN 'hour' THEN
        (extract(epoch FROM date_trunc('hour', later) - date_trunc('hour', earlier)) / 3600)::bigint
    WHEN 'minute' THEN
        (extract(epoch FROM date_trunc('minute', later) - date_trunc('minute', earlier)) / 60)
        ::bigint
    WHEN 'second' THEN
        extract(epoch FROM date_trunc('second', later) - date_trunc('second', earlier))::bigint
    WHEN 'millisecond' THEN
        (extract(epoch FROM date_trunc('milliseconds', later)
            - date_trunc('milliseconds', earlier)) * 1000)::bigint
    WHEN 'microsecond' THEN (extract(epoch FROM later - earlier) * 1000000)::bigint
END
$$;

CREATE FUNCTION rs.date_part(part text, moment timestamp) RETURNS double precision
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.date_part(rs.part_name(part), moment) $$;

CREATE FUNCTION rs.convert_timezone(source text, target text, moment timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE
AS $$ SELECT moment AT TIME ZONE source AT TIME ZONE target $$;

CREATE FUNCTION rs.convert_timezone(target text, moment timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE
AS $$ SELECT moment AT TIME ZONE 'UTC' AT TIME ZONE target $$;

CREATE FUNCTION rs.len(words text) RETURNS integer LANGUAGE sql IMMUTABLE
AS $$ SELECT length(words) $$;

CREATE FUNCTION rs.charindex(part text, words text) RETURNS integer LANGUAGE sql IMMUTABLE
AS $$ SELECT strpos(words, part) $$;

CREATE FUNCTION rs.json_extract_path_text(document text, VARIADIC path text [])
RETURNS varchar LANGUAGE sql IMMUTABLE
AS $$ SELECT coalesce(pg_catalog.json_extract_path_text(document::json, VARIADIC path), '') $$;

CREATE FUNCTION rs.is_valid_json(document text) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT document IS JSON OBJECT $$;

CREATE FUNCTION rs.json_parse(document text) RETURNS json LANGUAGE sql IMMUTABLE
AS $$ SELECT document::json $$;

CREATE FUNCTION rs.json_serialize(document json) RETURNS varchar LANGUAGE sql IMMUTABLE
AS $$ SELECT document::text $$;

-- Integers average to an integer, cut towards zero. States are {count, sum}.
CREATE FUNCTION rs.avg_final(state bigint []) RETURNS bigint LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN state[1] > 0 THEN state[2] / state[1] END $$;

CREATE FUNCTION rs.avg_step(state bigint [], value bigint) RETURNS bigint []
LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT ARRAY[state[1] + 1, state[2] + value] $$;

CREATE AGGREGATE rs.avg(bigint) (
    SFUNC = rs.avg_step, STYPE = bigint [], INITCOND = '{0,0}', FINALFUNC = rs.avg_final
);
CREATE AGGREGATE rs.avg(integer) (
    SFUNC = int4_avg_accum, STYPE = bigint [], INITCOND = '{0,0}', FINALFUNC = rs.avg_final
);
CREATE AGGREGATE rs.avg(smallint) (
    SFUNC = int2_avg_accum, STYPE = bigint [], INITCOND = '{0,0}', FINALFUNC = rs.avg_final
);

CREATE FUNCTION rs.median_final(held double precision []) RETURNS double precision
LANGUAGE sql IMMUTABLE
AS $$ SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY each) FROM unnest(held) AS each $$;

CREATE AGGREGATE rs.median(double precision) (
    SFUNC = array_append, STYPE = double precision [], INITCOND = '{}', FINALFUNC = rs.median_final
);

-- Doubles round half away from zero, to a number of digits too.
CREATE FUNCTION rs.round(value double precision, digits integer) RETURNS double precision
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.round(value::numeric, digits)::double precision $$;

CREATE FUNCTION rs.round(value double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.round(value::numeric)::double precision $$;

CREATE FUNCTION rs.pg_last_copy_id() RETURNS integer LANGUAGE sql STABLE AS $$ SELECT -1 $$;

CREATE FUNCTION rs.pg_last_unload_count() RETURNS bigint LANGUAGE sql STABLE
AS $$ SELECT coalesce(nullif(current_setting('testbed.unload_count', TRUE), ''), '-1')::bigint $$;

-- Redshift's own columns and tables of the catalog, see catalog.py.
CREATE VIEW rs.redshift_pg_class AS
SELECT pg_class.*, 0 AS reldiststyle FROM pg_catalog.pg_class;

CREATE VIEW rs.redshift_pg_attribute AS
SELECT attrelid, attname, atttypid, atttypmod, attnum, attnotnull, attisdropped,
    0 AS attencodingtype, FALSE AS attisdistkey, 0 AS attsortkeyord
FROM pg_catalog.pg_attribute;

CREATE VIEW rs.redshift_pg_attrdef AS
SELECT pg_attrdef.*, pg_catalog.pg_get_expr(adbin, adrelid) AS adsrc FROM pg_catalog.pg_attrdef;

CREATE FUNCTION rs.format_encoding(encoding integer) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT 'none' $$;

CREATE FUNCTION rs.pg_get_late_binding_view_cols() RETURNS SETOF record LANGUAGE sql STABLE
AS $$ SELECT ''::name, ''::name, ''::name, ''::varchar, 0 WHERE FALSE $$;

CREATE VIEW rs.svv_external_schemas AS
SELECT 0::oid AS esoid, ''::name AS schemaname, 0::oid AS esowner WHERE FALSE;

CREATE VIEW rs.svv_external_tables AS
SELECT ''::name AS schemaname, ''::name AS tablename WHERE FALSE;

CREATE VIEW rs.svv_external_columns AS
SELECT ''::name AS schemaname, ''::name AS tablename, ''::name AS columnname,
    ''::text AS external_type, 0 AS columnnum
WHERE FALSE;

GRANT SELECT ON ALL TABLES IN SCHEMA rs TO PUBLIC;
