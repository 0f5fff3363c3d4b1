{#- How a source file is found and read, defined once for dbt's views (attached_view) and the flows
    (flows/steps/source_files.py). These macros use nothing of dbt's, so both render the same text. -#}

{#- A text as a SQL literal. -#}
{% macro quoted(text) -%}
    '{{ text | string | replace("'", "''") }}'
{%- endmacro %}

{#- A path as a pattern that matches this path alone, whatever its name contains. -#}
{% macro literal_glob(path) -%}
    {{ path | string | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]') }}
{%- endmacro %}

{#- A query for the files of a table, with the path they are delivered as: <table>.csv, <table>.parquet, or a folder of
    Parquet files, <table>/ or <table>.parquet/, which may have folders in it. Hidden files and those that begin with _
    are those of the tool that wrote the folder. More than one path is refused by the caller. -#}
{% macro delivered_files(folder, table) -%}
    {%- set place = folder ~ '/' ~ table -%}
    select distinct delivery, file
    from (
        {%- for delivery, inside in [('.csv', ''), ('.parquet', ''), ('.parquet', '/**'), ('', '/**')] %}
        select {{ quoted(place ~ delivery) }} as delivery, file
        from glob({{ quoted(literal_glob(place ~ delivery) ~ inside) }})
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as found
    where not regexp_matches(substr(file, length(delivery) + 1), '/[._]')
    order by delivery, file
{%- endmacro %}

{#- The options for a CSV file. All of them are set, because DuckDB guesses the others from a sample: it takes rows
    that begin with #, for example, for comments and drops them. -#}
{% macro csv_options(dialect) -%}
    {%- set defaults = {'delim': ',', 'quote': '"', 'escape': '"', 'encoding': 'utf-8', 'nullstr': ''} -%}
    {%- for option, value in dict(defaults, **(dialect or {})).items() -%}
        {{ option }} = {{ quoted(value) }},{{ ' ' }}
    {%- endfor -%}
    auto_detect = false, comment = '', skip = 0, strict_mode = true, null_padding = false, ignore_errors = false
{%- endmacro %}

{#- A query for the names in the first line of a CSV file, in lower case, with their places from 1 on. A line whose quotes
    do not close gives the single name null, as does an empty one. -#}
{% macro csv_header(file, dialect) -%}
    {%- set delimiter = (dialect or {}).get('delim', ',') -%}
    {%- set field = '("(?:[^"]|"")*"|[^"' ~ delimiter ~ ']*)' ~ ('[|]' if delimiter == '|' else delimiter) -%}
    with first_line as (
        select
            line || {{ quoted(delimiter) }} as line,
            regexp_extract_all(line || {{ quoted(delimiter) }}, {{ quoted(field) }}, 0) as fields
        {#- No file has a unit separator, so a line is one column. Later lines are not read. #}
        from read_csv(
            {{ quoted(literal_glob(file)) }}, columns = {'line': 'varchar'}, header = false, auto_detect = false,
            delim = chr(31), quote = '', escape = '', comment = '', skip = 0, nullstr = '', strict_mode = false,
            null_padding = false, ignore_errors = true,
            encoding = {{ quoted((dialect or {}).get('encoding', 'utf-8')) }}
        )
        limit 1
    ),

    names as (
        select
            unnest(range(1, len(fields) + 1)) as place,
            rtrim(unnest(fields)) as field
        from first_line
        where array_to_string(fields, '') = line
        union all
        select 1, null from first_line where (array_to_string(fields, '') = line) is not true
    )

    select
        place,
        lower(trim(replace(trim(substr(field, 1, length(field) - 1), '"'), '""', '"'))) as name
    from names
    order by place
{%- endmacro %}

{#- The relation that a delivery's rows are read from. CSV columns are column_1, column_2, ..., all text. -#}
{% macro source_reader(files, header, dialect) -%}
    {%- if files[0].endswith('.csv') -%}
        read_csv({{ quoted(literal_glob(files[0])) }}, header = true, columns = {
            {%- for _ in header %}'column_{{ loop.index }}': 'varchar'{{ ', ' if not loop.last }}{% endfor -%}
        }, {{ csv_options(dialect) }})
    {%- else -%}
        read_parquet([
            {%- for file in files %}{{ quoted(literal_glob(file)) }}{{ ', ' if not loop.last }}{% endfor -%}
        ], union_by_name = true, hive_partitioning = {{ 'true' if files | length > 1 or '=' in files[0] else 'false' }}, hive_types_autocast = false)
    {%- endif -%}
{%- endmacro %}

{#- The select list of a source table: every column that its YAML lists, in the type listed there, null where it cannot
    be read. Beside it, as <column>__as_delivered, the text of what was delivered (none if it is blank), to count what could
    not be read.

    columns: what the YAML lists, each with name and data_type.
    delivered: {name: {'expression': ..., 'type': ...}} of the columns that the file has.
    zone: the time zone of timestamps without one.
    stamp: the column that says when a row happened, if the table has one.
    earliest: the earliest day it may have: systems write 1970, 1900 or the year 1 for a missing date. -#}
{% macro source_columns(columns, delivered, zone, stamp, earliest) -%}
    {%- for column in columns %}
        {%- set found = delivered.get(column.name) %}
        {%- if found is none %}
    cast(null as {{ column.data_type }}) as {{ column.name }}
        {%- elif column.name == stamp %}
            {%- set before = "timestamp '" ~ earliest ~ "' - interval 1 microsecond" %}
    nullif(greatest({{ source_value(found.expression, found.type, column.data_type, column.name, zone) }}, {{ before }}), {{ before }}) as {{ column.name }}
        {%- else %}
    {{ source_value(found.expression, found.type, column.data_type, column.name, zone) }} as {{ column.name }}
        {%- endif %}
        {%- if column.data_type != 'varchar' %},
            {%- if found is none %}
    cast(null as varchar) as {{ column.name }}__as_delivered
            {%- else %}
    case when trim(cast({{ found.expression }} as varchar)) <> '' then cast({{ found.expression }} as varchar) end as {{ column.name }}__as_delivered
            {%- endif %}
        {%- endif %}
        {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- One delivered value in the type that the YAML lists, null if it cannot be read. -#}
{% macro source_value(value, delivered_type, data_type, name, zone) -%}
    {%- set text = value if delivered_type == 'VARCHAR' else 'cast(' ~ value ~ ' as varchar)' -%}
    {%- set wanted = data_type | lower -%}
    {%- if wanted == 'varchar' and name.endswith('_id') -%}
        {{ key_text(value, delivered_type) }}
    {%- elif wanted == 'varchar' -%}
        {{ text }}
    {%- elif wanted == 'timestamp' -%}
        {{ read_timestamp(value, delivered_type, zone) }}
    {%- elif wanted == 'date' -%}
        {{ read_date(value, delivered_type, zone) }}
    {%- elif delivered_type == data_type | upper -%}
        {{ value }}
    {#- An exact number needs no way through its text, which would be as exact and five times as slow. #}
    {%- elif wanted.startswith('decimal') and (delivered_type.endswith('INT') or delivered_type.startswith(('INTEGER', 'UINTEGER', 'DECIMAL'))) -%}
        try_cast({{ value }} as {{ data_type }})
    {%- elif wanted == 'boolean' -%}
        {{ read_boolean(text) }}
    {%- elif wanted in ['bigint', 'integer'] -%}
        {{ read_whole_number(text, data_type) }}
    {%- else -%}
        {{ read_number(text, data_type) }}
    {%- endif -%}
{%- endmacro %}

{#- A key of type text. Integers match however they are written: pandas writes 5.0 if a column has gaps, and Parquet has
    doubles beside bigints. -#}
{% macro key_text(value, delivered_type) -%}
    {%- if delivered_type == 'VARCHAR' -%}
        case when {{ value }} like '%.0%' and regexp_full_match({{ value }}, '-?[0-9]+[.]0+') then split_part({{ value }}, '.', 1) else {{ value }} end
    {%- elif delivered_type in ['DOUBLE', 'FLOAT'] -%}
        case
            when not isfinite({{ value }}) then null
            when {{ value }} = trunc({{ value }}) and abs({{ value }}) < 1e37 then cast(cast({{ value }} as decimal(38, 0)) as varchar)
            else cast({{ value }} as varchar)
        end
    {%- elif delivered_type.startswith('DECIMAL') -%}
        case when {{ value }} = trunc({{ value }}) then cast(cast({{ value }} as decimal(38, 0)) as varchar) else cast({{ value }} as varchar) end
    {%- else -%}
        cast({{ value }} as varchar)
    {%- endif -%}
{%- endmacro %}

{#- The pattern of a day in a text, from 1900 on: systems write the year 1, or a year BC, for a missing date. -#}
{% macro written_day() -%}
    (?:19|[2-9][0-9])[0-9]{2}[-/][0-9]{1,2}[-/][0-9]{1,2}
{%- endmacro %}

{#- A timestamp as its system's clocks show it. A text that ends with an offset, Z, UTC, GMT or the name of a zone is an
    instant; any other ending makes it unreadable. No ending is dropped. -#}
{% macro read_timestamp(value, delivered_type, zone) -%}
    {%- if delivered_type == 'TIMESTAMP WITH TIME ZONE' -%}
        case when {{ value }} >= timestamptz '1900-01-01 00:00:00+00' and {{ value }} < timestamptz '10000-01-01 00:00:00+00' then timezone({{ quoted(zone) }}, {{ value }}) end
    {%- elif delivered_type == 'DATE' or delivered_type.startswith('TIMESTAMP') -%}
        case when cast({{ value }} as timestamp) >= timestamp '1900-01-01' and cast({{ value }} as timestamp) < timestamp '10000-01-01' then cast({{ value }} as timestamp) end
    {%- else -%}
        {%- set text = value if delivered_type == 'VARCHAR' else 'cast(' ~ value ~ ' as varchar)' -%}
        {%- set date = written_day() -%}
        {%- set offset = '[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?' -%}
        {%- set zoned = '[[:space:]]*(' ~ date ~ ')[T ]([0-9]{1,2}:[0-9]{2})(:[0-9]{2}(?:[.][0-9]+)?)?[[:space:]]*((?i:Z|UTC|GMT)|'
            ~ offset ~ '|[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+)[[:space:]]*' -%}
        case
            when regexp_full_match({{ text }}, '[[:space:]]*{{ date }}([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?[[:space:]]*')
                then try_cast({{ text }} as timestamp)
            {#- The most common form needs no parsing. #}
            when regexp_full_match({{ text }}, '(?:19|[2-9][0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|{{ offset }})')
                then timezone({{ quoted(zone) }}, try_cast({{ text }} as timestamptz))
            when regexp_full_match({{ text }}, '{{ zoned }}')
                then timezone({{ quoted(zone) }}, try_cast(
                    regexp_extract({{ text }}, '{{ zoned }}', 1) || ' ' || regexp_extract({{ text }}, '{{ zoned }}', 2)
                    || coalesce(nullif(regexp_extract({{ text }}, '{{ zoned }}', 3), ''), ':00')
                    || case
                        when upper(regexp_extract({{ text }}, '{{ zoned }}', 4)) in ('Z', 'UTC', 'GMT') then '+00'
                        when regexp_extract({{ text }}, '{{ zoned }}', 4) similar to '[+-].*' then regexp_extract({{ text }}, '{{ zoned }}', 4)
                        else ' ' || regexp_extract({{ text }}, '{{ zoned }}', 4)
                    end
                as timestamptz))
        end
    {%- endif -%}
{%- endmacro %}

{#- A date is the day as written, whatever offset follows. Parquet's timestamps with time zone have no offset: midnight
    in UTC is a date that some tool wrote this way. -#}
{% macro read_date(value, delivered_type, zone) -%}
    {%- if delivered_type == 'TIMESTAMP WITH TIME ZONE' -%}
        case
            when {{ value }} < timestamptz '1900-01-01 00:00:00+00' or {{ value }} >= timestamptz '10000-01-01 00:00:00+00' then null
            when timezone('UTC', {{ value }}) = date_trunc('day', timezone('UTC', {{ value }}))
                then cast(timezone('UTC', {{ value }}) as date)
            else cast(timezone({{ quoted(zone) }}, {{ value }}) as date)
        end
    {%- elif delivered_type == 'DATE' or delivered_type.startswith('TIMESTAMP') -%}
        case when cast({{ value }} as date) >= date '1900-01-01' and cast({{ value }} as date) < date '10000-01-01' then cast({{ value }} as date) end
    {%- else -%}
        {%- set text = value if delivered_type == 'VARCHAR' else 'cast(' ~ value ~ ' as varchar)' -%}
        {%- set date = written_day() -%}
        case
            when regexp_full_match({{ text }}, '[[:space:]]*{{ date }}([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?[[:space:]]*((?i:Z|UTC|GMT)|[+-][0-9]{2}(:?[0-9]{2})?|[A-Za-z_]+(/[A-Za-z0-9_+-]+)+)?)?[[:space:]]*')
                then try_cast(regexp_extract({{ text }}, '{{ date }}') as date)
        end
    {%- endif -%}
{%- endmacro %}

{#- An integer; 5.0 is one, 5.4 is not. -#}
{% macro read_whole_number(text, data_type) -%}
    case when try_cast({{ text }} as double) = try_cast({{ text }} as {{ data_type }}) then try_cast({{ text }} as {{ data_type }}) end
{%- endmacro %}

{#- A decimal or double; infinite values are not accepted. -#}
{% macro read_number(text, data_type) -%}
    case when isfinite(try_cast({{ text }} as double)) then try_cast({{ text }} as {{ data_type }}) end
{%- endmacro %}

{#- Yes or no, as a word or a number. -#}
{% macro read_boolean(text) -%}
    case
        when lower(trim({{ text }})) in ('true', 't', 'yes', 'y', '1', '1.0') then true
        when lower(trim({{ text }})) in ('false', 'f', 'no', 'n', '0', '0.0') then false
    end
{%- endmacro %}

{#- The shape of a text, without its content: digits as 9, letters as a. -#}
{% macro shape(text) -%}
    regexp_replace(regexp_replace(regexp_replace(substr({{ text }}, 1, 30), '[0-9]', '9', 'g'), '\pL', 'a', 'g'), '[^ -~]', '?', 'g')
{%- endmacro %}
