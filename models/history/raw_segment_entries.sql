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
{%- set entered_on_kept = 'last_entries.entered_on' if is_incremental() else 'cast(null as date)' %}

with current_states as (

    select
        customer_id,
        segmentation,
        segment,
        rule_version,
        as_of_date
    from {{ ref('segment_states') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

-- The state a day before each day of the run, dated with the day itself.
previous_states as (

    {% if run_window().days > 1 -%}
    select
        customer_id,
        segmentation,
        segment,
        {{ add_days('as_of_date', 1) }} as as_of_date
    from current_states
    where as_of_date < {{ last_date() }}
    {%- else -%}
        select
            customer_id,
            segmentation,
            segment,
            as_of_date
        from current_states
        where false
    {%- endif %}
    {%- if is_incremental() %}
    union all
    select
        customer_id,
        segmentation,
        segment,
        {{ first_date() }} as as_of_date
    from {{ last_entries_of(this) }}
    where
        segment <> '(left)'
        and segmentation in {{ sql_texts(segmentations()) }}
    {%- endif %}

),

moves as (

    select
        coalesce(current_states.customer_id, previous_states.customer_id) as customer_id,
        coalesce(current_states.segmentation, previous_states.segmentation) as segmentation,
        coalesce(current_states.as_of_date, previous_states.as_of_date) as entered_on,
        coalesce(current_states.segment, '(left)') as segment,
        previous_states.segment as previous_segment,
        current_states.rule_version
    from current_states
    full outer join previous_states
        on
            current_states.customer_id = previous_states.customer_id
            and current_states.segmentation = previous_states.segmentation
            and current_states.as_of_date = previous_states.as_of_date
    where
        current_states.segment is null
        or previous_states.segment is null
        or current_states.segment <> previous_states.segment

),

-- Few move: which clauses held is asked of them alone, on the day and the day before.
moved_days as (

    select
        customer_id,
        entered_on as as_of_date
    from moves
    union
    select
        customer_id,
        {{ add_days('entered_on', -1) }} as as_of_date
    from moves

),

{{ held_clauses('moved_days') }},

moved as (

    select
        moves.*,
        held_clauses.held_clauses
    from moves
    left join held_clauses
        on
            moves.customer_id = held_clauses.customer_id
            and moves.segmentation = held_clauses.segmentation
            and moves.entered_on = held_clauses.as_of_date

),

decided as (

    select
        *,
        cast({{ deciding_clauses('moved', 'segment', true) }} as bigint) as deciding_clauses,
        cast({{ deciding_clauses('moved', 'previous_segment', false) }} as bigint) as fallen_clauses
    from moved

),

-- Of the clauses that decide those that were otherwise the day before, or all where nothing is known of that day. A
-- clause under a not has its bit while it does not hold.
changed as (

    select
        decided.*,
        coalesce(
            decided.deciding_clauses
            & (
                (decided.held_clauses | clauses_before.held_clauses)
                - (decided.held_clauses & clauses_before.held_clauses)
            ),
            decided.deciding_clauses
        ) as changed_clauses
    from decided
    left join held_clauses as clauses_before
        on
            decided.customer_id = clauses_before.customer_id
            and decided.segmentation = clauses_before.segmentation
            and {{ add_days('decided.entered_on', -1) }} = clauses_before.as_of_date

),

entries as (

    select
        customer_id,
        segmentation,
        entered_on,
        segment,
        previous_segment,
        rule_version,
        held_clauses,
        -- Where nothing began and nothing fell, the day before was not as it is known now: an attribute was corrected,
        -- or lines came late. What decides now is what readers did not know.
        case
            when changed_clauses = 0 and fallen_clauses = 0 then deciding_clauses
            else changed_clauses
        end as entry_clauses,
        lag(entered_on) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as entered_on_before
    from changed

),

-- Since when the customer was in the segment that they leave.
chained as (

    select
        entries.customer_id,
        entries.segmentation,
        entries.entered_on,
        entries.segment,
        entries.previous_segment,
        entries.rule_version,
        entries.held_clauses,
        entries.entry_clauses,
        case
            when entries.previous_segment is not null
                then coalesce(entries.entered_on_before, {{ entered_on_kept }})
        end as previous_entered_on
    from entries
    {%- if is_incremental() %}
    left join {{ last_entries_of(this) }} as last_entries
        on
            entries.customer_id = last_entries.customer_id
            and entries.segmentation = last_entries.segmentation
    {%- endif %}

)

select * from chained
