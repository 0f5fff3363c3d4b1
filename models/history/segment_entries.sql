{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook=[
        {"sql": "{{ make_last_entries() }}", "transaction": false},
        {"sql": "{{ add_new_columns(last_entries_of(this)) }}", "transaction": false},
        "{{ forget('entered_on') }}",
        "{{ rewind_last_entries() }}",
    ],
    post_hook="{{ advance_last_entries() }}"
) }}

with new_raw_entries as (

    select * from {{ ref('raw_segment_entries') }}
    where entered_on >= {{ first_date() }}

),

-- How many days a move into a segment has to hold before it counts.
confirmations as (
    {%- for definition in definitions() %}
    {%- for segment in definition.segments %}
    select
        {{ sql_text(definition.name) }} as segmentation,
        {{ sql_text(segment.name) }} as segment,
        {{ 1 if segment.is_immediate else definition.confirm_days }} as confirm_days
    {{ 'union all' if not loop.last }}
    {%- endfor %}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as segmentation,
        cast(null as {{ dbt.type_string() }}) as segment,
        1 as confirm_days
    {%- endfor %}

),

{% if is_incremental() -%}
last_entries as (

    select * from {{ last_entries_of(this) }}

),

-- Where the rules alone had everybody on the day before the run.
states_before as (

    select
        customer_id,
        segmentation,
        segment,
        entered_on
    from {{ last_entries_of(ref('raw_segment_entries')) }}
    where entered_on < {{ first_date() }}
    union all
    select
        customer_id,
        segmentation,
        previous_segment as segment,
        previous_entered_on as entered_on
    from new_raw_entries
    where previous_entered_on < {{ first_date() }}

),

-- Moves that began before the run and still wait for their confirmation; those of
-- a segmentation that is no longer run wait for ever.
pending as (

    select
        states_before.customer_id,
        states_before.segmentation,
        states_before.entered_on
    from states_before
    inner join last_entries
        on
            states_before.customer_id = last_entries.customer_id
            and states_before.segmentation = last_entries.segmentation
    where
        states_before.segment <> last_entries.segment
        and states_before.segmentation in (select confirmations.segmentation from confirmations)

),

{% endif -%}
candidates as (

    select * from new_raw_entries
    {%- if is_incremental() %}
        union all
        select earlier_entries.*
        from {{ ref('raw_segment_entries') }} as earlier_entries
        inner join pending
            on
                earlier_entries.customer_id = pending.customer_id
                and earlier_entries.segmentation = pending.segmentation
                and earlier_entries.entered_on = pending.entered_on
    {%- endif %}

),

ordered as (

    select
        *,
        lead(entered_on) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as next_raw_entry_on
    from candidates

),

-- A move counts on the last of its confirming days. Joining, leaving and coming
-- back count at once, and so does leaving a segment that the rules no longer have.
dated as (

    select
        ordered.*,
        case
            when
                ordered.segment = '(left)'
                or ordered.previous_segment is null
                then ordered.entered_on
            {%- if is_incremental() %}
            when
                last_entries.segment <> '(left)'
                and kept_segments.segment is null
                and ordered.entered_on <= {{ first_date() }}
                and coalesce(ordered.next_raw_entry_on > {{ first_date() }}, true)
                then {{ first_date() }}
            {%- endif %}
            else
                greatest(
                    {{ add_days('ordered.entered_on', 'coalesce(confirmations.confirm_days, 1) - 1') }},
                    {{ first_date() }}
                )
        end as confirmed_on
    from ordered
    left join confirmations
        on
            ordered.segmentation = confirmations.segmentation
            and ordered.segment = confirmations.segment
    {%- if is_incremental() %}
        left join last_entries
            on
                ordered.customer_id = last_entries.customer_id
                and ordered.segmentation = last_entries.segmentation
        left join confirmations as kept_segments
            on
                last_entries.segmentation = kept_segments.segmentation
                and last_entries.segment = kept_segments.segment
    {%- endif %}

),

confirmed as (

    select *
    from dated
    where
        confirmed_on <= {{ last_date() }}
        and (next_raw_entry_on is null or next_raw_entry_on > confirmed_on)

),

followed as (

    select
        confirmed.*,
        coalesce(
            lag(confirmed.segment) over (
                partition by confirmed.customer_id, confirmed.segmentation
                order by confirmed.confirmed_on
            ),
            {% if is_incremental() -%}
            last_entries.segment
            {%- else -%}
            cast(null as {{ dbt.type_string() }})
            {%- endif %}
        ) as effective_previous_segment
    from confirmed
    {%- if is_incremental() %}
        left join last_entries
            on
                confirmed.customer_id = last_entries.customer_id
                and confirmed.segmentation = last_entries.segmentation
    {%- endif %}

),

entries as (

    select
        followed.customer_id,
        followed.segmentation,
        followed.confirmed_on as entered_on,
        followed.segment,
        followed.effective_previous_segment as previous_segment,
        followed.rule_version,
        followed.held_clauses,
        followed.entry_clauses,
        cast(
            {{ deciding_clauses('followed', 'effective_previous_segment', false) }} as bigint
        ) as exit_clauses,
        followed.entered_on as held_since
    from followed
    where
        followed.effective_previous_segment is null
        or followed.effective_previous_segment <> followed.segment

),

-- With what the entry ended: the entry before it, kept or of this run.
chain as (

    select
        customer_id,
        segmentation,
        entered_on,
        previous_segment,
        rule_version,
        entry_clauses,
        exit_clauses
    from entries
    {%- if is_incremental() %}
    union all
    select
        last_entries.customer_id,
        last_entries.segmentation,
        last_entries.entered_on,
        last_entries.previous_segment,
        last_entries.rule_version,
        last_entries.entry_clauses,
        last_entries.exit_clauses
    from last_entries
    where
        exists (
            select 1
            from entries
            where
                entries.customer_id = last_entries.customer_id
                and entries.segmentation = last_entries.segmentation
        )
    {%- endif %}

),

ends as (

    select
        customer_id,
        segmentation,
        lead(entered_on) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as ended_on,
        entered_on,
        previous_segment,
        rule_version,
        entry_clauses,
        exit_clauses
    from chain

),

chained as (

    select
        entries.*,
        ends.entered_on as previous_entered_on,
        ends.previous_segment as previous_entered_from,
        ends.rule_version as previous_rule_version,
        ends.entry_clauses as previous_entry_clauses,
        ends.exit_clauses as previous_exit_clauses
    from entries
    left join ends
        on
            entries.customer_id = ends.customer_id
            and entries.segmentation = ends.segmentation
            and entries.entered_on = ends.ended_on

)

select * from chained
