with segment_spells as (

    select * from {{ ref('segment_spells') }}

),

clause_versions as (

    select * from {{ ref('clause_versions') }}

),

-- Few different sets of clauses decide many spells: each is put in words once.
entry_reasons as (

    select
        decisions.segmentation,
        decisions.segment,
        decisions.rule_version,
        decisions.held_clauses,
        {{ dbt.listagg('clause_versions.clause_text', "' and '", 'order by clause_versions.clause_bit') }} as reason
    from (
        select distinct
            segmentation,
            segment,
            rule_version,
            held_clauses
        from segment_spells
    ) as decisions
    inner join clause_versions
        on
            decisions.segmentation = clause_versions.segmentation
            and decisions.rule_version = clause_versions.rule_version
            and decisions.segment = clause_versions.segment
            and (decisions.held_clauses & clause_versions.clause_bit) <> 0
    group by
        decisions.segmentation,
        decisions.segment,
        decisions.rule_version,
        decisions.held_clauses

),

exit_reasons as (

    select
        decisions.segmentation,
        decisions.segment,
        decisions.next_rule_version,
        decisions.next_held_clauses,
        {{ dbt.listagg('clause_versions.clause_text', "', '", 'order by clause_versions.clause_bit') }} as reason
    from (
        select distinct
            segmentation,
            segment,
            next_rule_version,
            next_held_clauses
        from segment_spells
        where not is_current
    ) as decisions
    inner join clause_versions
        on
            decisions.segmentation = clause_versions.segmentation
            and decisions.next_rule_version = clause_versions.rule_version
            and decisions.segment = clause_versions.segment
            and (decisions.next_held_clauses & clause_versions.clause_bit) = 0
    group by
        decisions.segmentation,
        decisions.segment,
        decisions.next_rule_version,
        decisions.next_held_clauses

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
    coalesce(entry_reasons.reason, 'no earlier rule held') as entry_reason,
    case
        when segment_spells.is_current then null
        when segment_spells.next_segment = '(left)' then 'left the population'
        when exit_reasons.reason is not null then 'no longer: ' || exit_reasons.reason
        when segment_spells.rule_version <> segment_spells.next_rule_version then 'the rules changed'
        else 'the rule of ' || segment_spells.next_segment || ' held'
    end as exit_reason,
    segment_spells.rule_version
from segment_spells
left join entry_reasons
    on
        segment_spells.segmentation = entry_reasons.segmentation
        and segment_spells.segment = entry_reasons.segment
        and segment_spells.rule_version = entry_reasons.rule_version
        and segment_spells.held_clauses = entry_reasons.held_clauses
left join exit_reasons
    on
        segment_spells.segmentation = exit_reasons.segmentation
        and segment_spells.segment = exit_reasons.segment
        and segment_spells.next_rule_version = exit_reasons.next_rule_version
        and segment_spells.next_held_clauses = exit_reasons.next_held_clauses
