{{ config(materialized='view') }}

with segment_entries as (

    select * from {{ ref('segment_entries') }}
    where entered_on between {{ first_date() }} and {{ last_date() }}

),

last_entries as (

    select * from {{ last_entries_of(ref('segment_entries')) }}

),

ended as (

    select
        customer_id,
        segmentation,
        previous_segment as segment,
        previous_entered_from as previous_segment,
        segment as next_segment,
        previous_entered_on as valid_from,
        entered_on as valid_to,
        false as is_current,
        previous_rule_version as rule_version,
        previous_entry_clauses as entry_clauses,
        previous_exit_clauses as clauses_left,
        rule_version as next_rule_version,
        entry_clauses as next_entry_clauses,
        exit_clauses
    from segment_entries
    where previous_segment <> '(left)'

),

lasting as (

    select
        customer_id,
        segmentation,
        segment,
        previous_segment,
        cast(null as {{ dbt.type_string() }}) as next_segment,
        entered_on as valid_from,
        cast('9999-12-31' as date) as valid_to,
        true as is_current,
        rule_version,
        entry_clauses,
        exit_clauses as clauses_left,
        cast(null as {{ dbt.type_string() }}) as next_rule_version,
        cast(null as bigint) as next_entry_clauses,
        cast(null as bigint) as exit_clauses
    from last_entries
    where segment <> '(left)'

)

select * from ended
union all
select * from lasting
