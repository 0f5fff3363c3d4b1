{#- A log of entries keeps the last entry of every customer in every segmentation in a
    table beside it, last_<log>, so that no run reads the log to know where everybody
    is. The hooks of the log's model keep the two in step, in one transaction. -#}
{% macro last_entries_of(log) -%}
    {{ return(log.incorporate(path={'identifier': 'last_' ~ log.identifier})) }}
{%- endmacro %}

{#- Makes the table where it is missing: of a warehouse from before there was one, or lost. -#}
{% macro make_last_entries() -%}
    {%- if is_incremental() -%}
        create table if not exists {{ last_entries_of(this) }} as {{ last_of_each(this, this) }}
    {%- endif -%}
{%- endmacro %}

{#- Before a run appends to the log: makes the last entries those of the day before its
    first. Only where days are built again is there something to do. -#}
{% macro rewind_last_entries() -%}
    {%- if is_incremental() -%}
        {%- set last_entries = last_entries_of(this) -%}
        {{ make_last_entries() }};
        insert into {{ last_entries }}
        {{ last_of_each('(
            select log.*
            from ' ~ this ~ ' as log
            inner join (
                select
                    customer_id,
                    segmentation
                from ' ~ last_entries ~ '
                where entered_on >= ' ~ first_date() ~ '
            ) as moved_since
                on
                    log.customer_id = moved_since.customer_id
                    and log.segmentation = moved_since.segmentation
        )', this) }};
        delete from {{ last_entries }} where entered_on >= {{ first_date() }}
    {%- endif -%}
{%- endmacro %}

{#- After a run appended to the log: replaces the last entries of those who moved. -#}
{% macro advance_last_entries() -%}
    {%- set last_entries = last_entries_of(this) -%}
    {%- if is_incremental() -%}
        delete from {{ last_entries }} as kept
        where
            exists (
                select 1
                from {{ this }} as log
                where
                    log.entered_on >= {{ first_date() }}
                    and log.customer_id = kept.customer_id
                    and log.segmentation = kept.segmentation
            );
        insert into {{ last_entries }}
        {{ last_of_each('(select * from ' ~ this ~ ' where entered_on >= ' ~ first_date() ~ ')', this) }}
    {%- else -%}
        create or replace table {{ last_entries }} as {{ last_of_each(this, this) }}
    {%- endif -%}
{%- endmacro %}

{#- A select: the last of some entries of a log, of each customer in each segmentation;
    of moves that count with the clauses that no longer hold, for the spell that began. -#}
{% macro last_of_each(entries, log) -%}
    select
        entries.customer_id,
        entries.segmentation,
        entries.entered_on,
        entries.segment,
        entries.previous_segment,
        entries.rule_version,
        entries.entry_clauses
        {%- if log.identifier == 'segment_entries' %},
        entries.exit_clauses
        {%- endif %}
    from {{ entries }} as entries
    inner join (
        select
            dated.customer_id,
            dated.segmentation,
            max(dated.entered_on) as entered_on
        from {{ entries }} as dated
        group by
            dated.customer_id,
            dated.segmentation
    ) as last_days
        on
            entries.customer_id = last_days.customer_id
            and entries.segmentation = last_days.segmentation
            and entries.entered_on = last_days.entered_on
{%- endmacro %}
