{{ config(materialized='table') }}

with segment_entries as (

    select * from {{ ref('segment_entries') }}

),

followed as (

    select
        *,
        lead(entered_on) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as next_entered_on,
        lead(segment) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as next_segment,
        lead(rule_version) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as next_rule_version,
        lead(entry_clauses) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as next_entry_clauses,
        lead(exit_clauses) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as exit_clauses_of_spell
    from segment_entries

),

spells as (

    select
        customer_id,
        segmentation,
        segment,
        previous_segment,
        next_segment,
        entered_on as valid_from,
        coalesce(next_entered_on, cast('9999-12-31' as date)) as valid_to,
        next_entered_on is null as is_current,
        rule_version,
        entry_clauses,
        next_rule_version,
        next_entry_clauses,
        exit_clauses_of_spell as exit_clauses
    from followed
    where segment <> '(left)'

)

select * from spells
