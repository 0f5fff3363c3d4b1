{#- Beside the log measure_changes lies a table, measures_in_force, with those of its rows
    that say how customers are from the day before the run to its last day, each with the
    day on which another one replaces it (valid_to; 9999-12-31 while none does), so that
    no run reads the log to know how everybody is. The hooks of the log's model keep the
    two in step, in one transaction. -#}
{% macro measures_in_force_of(measure_changes) -%}
    {{ return(measure_changes.incorporate(path={'identifier': 'measures_in_force'})) }}
{%- endmacro %}

{#- Makes the table, empty, where it is missing: of a warehouse from before there was one,
    or lost. -#}
{% macro make_measures_in_force() -%}
    {%- if is_incremental() -%}
        create table if not exists {{ measures_in_force_of(this) }} as
        select
            *,
            cast('9999-12-31' as date) as valid_to
        from {{ this }}
        where false
    {%- endif -%}
{%- endmacro %}

{#- Before a run appends to the log: makes the rows in force those of the day before its
    first. Only where days are built again is somebody missing then. -#}
{% macro rewind_measures() -%}
    {%- if is_incremental() -%}
        {%- set in_force = measures_in_force_of(this) -%}
        {{ make_measures_in_force() }};
        delete from {{ in_force }}
        where
            measured_on >= {{ first_date() }}
            or valid_to < {{ first_date() }}
            or key_frame is distinct from (
                select max(days.key_frame)
                from {{ ref('measured_days') }} as days
                where days.as_of_date = {{ first_date(-1) }}
            );
        update {{ in_force }}
        set valid_to = cast('9999-12-31' as date)
        where valid_to < cast('9999-12-31' as date);
        insert into {{ in_force }}
        {{ missing_in_force(this, in_force) }}
    {%- endif -%}
{%- endmacro %}

{#- After a run appended to the log: adds what it appended, and ends what that replaces. -#}
{% macro advance_measures() -%}
    {%- set in_force = measures_in_force_of(this) -%}
    {%- if is_incremental() and keeps_columns_of(in_force, this) -%}
        insert into {{ in_force }}
        {{ changes_of_the_run(this) }};
    {%- else -%}
        create or replace table {{ in_force }} as
        {{ changes_of_the_run(this) }};
        insert into {{ in_force }}
        {{ missing_in_force(this, none) }};
    {%- endif %}
        merge into {{ in_force }} as kept
        using (
            select
                customer_id,
                min(measured_on) as replaced_on
            from {{ in_force }}
            where measured_on >= {{ first_date() }}
            group by customer_id
        ) as replacing
            on
                kept.customer_id = replacing.customer_id
                and kept.measured_on < {{ first_date() }}
        when matched then update set
            valid_to = replacing.replaced_on
{%- endmacro %}

{#- Whether the rows in force have the columns of the log, and in their order; where the log
    got a new one, they are made again. Both must exist: dbt's adapter rolls back what the
    hooks have done so far when it is asked about a table that does not. -#}
{% macro keeps_columns_of(in_force, log) -%}
    {%- set wanted = adapter.get_columns_in_relation(log) | map(attribute='name') | list + ['valid_to'] -%}
    {{ return(adapter.get_columns_in_relation(in_force) | map(attribute='name') | list == wanted) }}
{%- endmacro %}

{#- A select: what the run has appended to the log. -#}
{% macro changes_of_the_run(log) -%}
    select
        *,
        {% if run_window().days > 1 -%}
        lead(measured_on, 1, cast('9999-12-31' as date)) over (
            partition by customer_id order by measured_on
        ) as valid_to
        {%- else -%}
        cast('9999-12-31' as date) as valid_to
        {%- endif %}
    from {{ log }}
    where measured_on between {{ first_date() }} and {{ last_date() }}
{%- endmacro %}

{#- A select: how those were on the day before the run who are not among the rows in force,
    if there are any, yet. -#}
{% macro missing_in_force(log, in_force) -%}
    {%- if in_force -%}
        {%- set log = '(
            select log.*
            from ' ~ log ~ ' as log
            where not exists (
                select 1
                from ' ~ in_force ~ ' as kept
                where kept.customer_id = log.customer_id
            )
        )' -%}
    {%- endif -%}
    select
        log.*,
        cast('9999-12-31' as date) as valid_to
    from (
        {{ changes_in_force(log, "(
            select
                as_of_date,
                key_frame
            from " ~ ref('measured_days') ~ "
            where as_of_date = " ~ first_date(-1) ~ "
        )") }}
    ) as missing
    inner join {{ log }} as log
        on
            missing.customer_id = log.customer_id
            and missing.measured_on = log.measured_on
{%- endmacro %}
