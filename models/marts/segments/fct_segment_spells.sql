{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook=["{{ rewind_spells() }}", "{{ forget_ending_spells() }}"],
    post_hook="{{ count_days_of_spells() }}"
) }}

with recent_spells as (

    select * from {{ ref('recent_spells') }}
    {%- if is_incremental() %}
    where
        not is_current
        or valid_from >= {{ first_date() }}
    {%- endif %}

),

clause_versions as (

    select * from {{ ref('clause_versions') }}

),

-- Few different sets of clauses decide many moves: each is put in words once.
decisions as (

    select
        segmentation,
        rule_version,
        segment,
        entry_clauses as clauses
    from recent_spells
    union
    select
        segmentation,
        next_rule_version as rule_version,
        next_segment as segment,
        next_entry_clauses as clauses
    from recent_spells
    where not is_current
    union
    select
        segmentation,
        next_rule_version as rule_version,
        segment,
        exit_clauses as clauses
    from recent_spells
    where not is_current
    union
    select
        segmentation,
        rule_version,
        previous_segment as segment,
        clauses_left as clauses
    from recent_spells

),

reasons as (

    select
        decisions.segmentation,
        decisions.rule_version,
        decisions.segment,
        decisions.clauses,
        {{ dbt.listagg('clause_versions.clause_text', "' and '", 'order by clause_versions.clause_bit') }} as reason
    from decisions
    inner join clause_versions
        on
            decisions.segmentation = clause_versions.segmentation
            and decisions.rule_version = clause_versions.rule_version
            and decisions.segment = clause_versions.segment
            and (decisions.clauses & clause_versions.clause_bit) <> 0
    group by
        decisions.segmentation,
        decisions.rule_version,
        decisions.segment,
        decisions.clauses

)

select
    recent_spells.customer_id,
    recent_spells.segmentation,
    recent_spells.segment,
    recent_spells.previous_segment,
    recent_spells.next_segment,
    recent_spells.valid_from,
    recent_spells.valid_to,
    recent_spells.is_current,
    {{ days_between('recent_spells.valid_from', 'least(recent_spells.valid_to, ' ~ last_date(1) ~ ')') }} as days,
    case
        when entry_reasons.reason is not null then 'now holds: ' || entry_reasons.reason
        when recent_spells.previous_segment is null then 'no earlier rule holds'
        when recent_spells.previous_segment = '(left)' then 'came back'
        else
            'the rule of ' || recent_spells.previous_segment || ' no longer holds'
            || coalesce(': ' || left_reasons.reason, '')
    end as entry_reason,
    case
        when recent_spells.is_current then null
        when recent_spells.next_segment = '(left)' then 'left the population'
        when exit_reasons.reason is not null then 'no longer holds: ' || exit_reasons.reason
        when recent_spells.rule_version <> recent_spells.next_rule_version then 'the rules changed'
        else
            'the rule of ' || recent_spells.next_segment || ' now holds'
            || coalesce(': ' || next_reasons.reason, '')
    end as exit_reason,
    recent_spells.rule_version
from recent_spells
left join reasons as entry_reasons
    on
        recent_spells.segmentation = entry_reasons.segmentation
        and recent_spells.rule_version = entry_reasons.rule_version
        and recent_spells.segment = entry_reasons.segment
        and recent_spells.entry_clauses = entry_reasons.clauses
left join reasons as left_reasons
    on
        recent_spells.segmentation = left_reasons.segmentation
        and recent_spells.rule_version = left_reasons.rule_version
        and recent_spells.previous_segment = left_reasons.segment
        and recent_spells.clauses_left = left_reasons.clauses
left join reasons as next_reasons
    on
        recent_spells.segmentation = next_reasons.segmentation
        and recent_spells.next_rule_version = next_reasons.rule_version
        and recent_spells.next_segment = next_reasons.segment
        and recent_spells.next_entry_clauses = next_reasons.clauses
left join reasons as exit_reasons
    on
        recent_spells.segmentation = exit_reasons.segmentation
        and recent_spells.next_rule_version = exit_reasons.rule_version
        and recent_spells.segment = exit_reasons.segment
        and recent_spells.exit_clauses = exit_reasons.clauses
