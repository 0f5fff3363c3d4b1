with segment_spells as (

    select * from {{ ref('segment_spells') }}

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
    from segment_spells
    union
    select
        segmentation,
        next_rule_version as rule_version,
        next_segment as segment,
        next_entry_clauses as clauses
    from segment_spells
    where not is_current
    union
    select
        segmentation,
        next_rule_version as rule_version,
        segment,
        exit_clauses as clauses
    from segment_spells
    where not is_current

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
    segment_spells.customer_id,
    segment_spells.segmentation,
    segment_spells.segment,
    segment_spells.previous_segment,
    segment_spells.next_segment,
    segment_spells.valid_from,
    segment_spells.valid_to,
    segment_spells.is_current,
    {{ days_between('segment_spells.valid_from', 'least(segment_spells.valid_to, ' ~ last_date(1) ~ ')') }} as days,
    case
        when entry_reasons.reason is not null then 'began to hold: ' || entry_reasons.reason
        when segment_spells.previous_segment is null then 'no earlier rule holds'
        when segment_spells.previous_segment = '(left)' then 'came back'
        else 'the rule of ' || segment_spells.previous_segment || ' stopped to hold'
    end as entry_reason,
    case
        when segment_spells.is_current then null
        when segment_spells.next_segment = '(left)' then 'left the population'
        when exit_reasons.reason is not null then 'stopped to hold: ' || exit_reasons.reason
        when segment_spells.rule_version <> segment_spells.next_rule_version then 'the rules changed'
        else
            'the rule of ' || segment_spells.next_segment || ' began to hold'
            || coalesce(': ' || next_reasons.reason, '')
    end as exit_reason,
    segment_spells.rule_version
from segment_spells
left join reasons as entry_reasons
    on
        segment_spells.segmentation = entry_reasons.segmentation
        and segment_spells.rule_version = entry_reasons.rule_version
        and segment_spells.segment = entry_reasons.segment
        and segment_spells.entry_clauses = entry_reasons.clauses
left join reasons as next_reasons
    on
        segment_spells.segmentation = next_reasons.segmentation
        and segment_spells.next_rule_version = next_reasons.rule_version
        and segment_spells.next_segment = next_reasons.segment
        and segment_spells.next_entry_clauses = next_reasons.clauses
left join reasons as exit_reasons
    on
        segment_spells.segmentation = exit_reasons.segmentation
        and segment_spells.next_rule_version = exit_reasons.rule_version
        and segment_spells.segment = exit_reasons.segment
        and segment_spells.exit_clauses = exit_reasons.clauses
