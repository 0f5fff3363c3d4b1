{#- The common table expressions that put the decisions of rules into words, once for all
    customers with the same clauses; the last, pattern_texts, has one row per
    segmentation, rule_segment and held_clauses in `decided`, with deciding_clauses and
    missed_rules. They read rule_cut_points; `day` is a date as SQL. -#}
{% macro pattern_texts(definitions, day, decided) -%}
-- The clauses of every rule as people read them, percentiles with their value.
clause_texts as (
    {%- for definition in definitions %}
    {%- set outer = loop %}
    {%- for segment in definition.segments if segment.rule %}
    {%- for i in clauses_of(segment.rule) | unique | sort %}
    {%- set clause = definition.clauses[i] %}
    select
        '{{ definition.name }}' as segmentation,
        '{{ segment.name }}' as segment,
        {{ segment.position }} as position,
        cast({{ 2 ** i }} as bigint) as clause_bit,
        {{ sql_text(clause.text) }}
        {%- for percentile in clause.percentiles %}
        || ' (' || coalesce({{ number_text('cut_points.' ~ clause.feature ~ '_p' ~ percentile) }}, 'none') || ')'
        {%- endfor %} as clause_text
    {%- if clause.percentiles %}
    from rule_cut_points as cut_points
    where cut_points.as_of_date = {{ cut_point_day(definition, day) }}
    {%- endif %}
    union all
    {%- endfor %}
    {%- endfor %}
    {%- endfor %}
    select
        cast(null as {{ dbt.type_string() }}) as segmentation,
        cast(null as {{ dbt.type_string() }}) as segment,
        0 as position,
        cast(0 as bigint) as clause_bit,
        cast(null as {{ dbt.type_string() }}) as clause_text
    where false

),

positions as (
    {%- for definition in definitions %}
    {%- for segment in definition.segments %}
    select
        '{{ definition.name }}' as segmentation,
        '{{ segment.name }}' as segment,
        {{ segment.position }} as position
    union all
    {%- endfor %}
    {%- endfor %}
    select
        cast(null as {{ dbt.type_string() }}) as segmentation,
        cast(null as {{ dbt.type_string() }}) as segment,
        0 as position
    where false

),

-- Few sets of clauses hold of many customers: each is put in words once.
patterns as (

    select distinct
        segmentation,
        rule_version,
        rule_segment,
        held_clauses
    from {{ decided }}

),

decided_patterns as (

    select
        *,
        {{ deciding_clauses('patterns', 'rule_segment', true, definitions) }} as clauses
    from patterns

),

decided_texts as (

    select
        decided.segmentation,
        decided.rule_segment,
        decided.held_clauses,
        {{ dbt.listagg("case when decided.held_clauses & texts.clause_bit = 0 then 'not ' else '' end || texts.clause_text", "' and '", 'order by texts.clause_bit') }} as deciding_clauses
    from decided_patterns as decided
    inner join clause_texts as texts
        on
            decided.segmentation = texts.segmentation
            and decided.rule_segment = texts.segment
            and (decided.clauses & texts.clause_bit) <> 0
    group by
        decided.segmentation,
        decided.rule_segment,
        decided.held_clauses

),

-- Every rule that was tried before the one that held.
attempts as (

    select
        patterns.segmentation,
        patterns.rule_version,
        patterns.rule_segment,
        patterns.held_clauses,
        earlier.segment as earlier_segment,
        earlier.position as earlier_position
    from patterns
    inner join positions as winners
        on
            patterns.segmentation = winners.segmentation
            and patterns.rule_segment = winners.segment
    inner join positions as earlier
        on
            winners.segmentation = earlier.segmentation
            and winners.position > earlier.position

),

missed_attempts as (

    select
        *,
        {{ deciding_clauses('attempts', 'earlier_segment', false, definitions) }} as clauses
    from attempts

),

attempt_texts as (

    select
        missed.segmentation,
        missed.rule_segment,
        missed.held_clauses,
        missed.earlier_segment,
        missed.earlier_position,
        {{ dbt.listagg("case when missed.held_clauses & texts.clause_bit = 0 then 'not ' else '' end || texts.clause_text", "', '", 'order by texts.clause_bit') }} as clauses
    from missed_attempts as missed
    inner join clause_texts as texts
        on
            missed.segmentation = texts.segmentation
            and missed.earlier_segment = texts.segment
            and (missed.clauses & texts.clause_bit) <> 0
    group by
        missed.segmentation,
        missed.rule_segment,
        missed.held_clauses,
        missed.earlier_segment,
        missed.earlier_position

),

missed_texts as (

    select
        segmentation,
        rule_segment,
        held_clauses,
        {{ dbt.listagg("earlier_segment || ' (' || clauses || ')'", "', '", 'order by earlier_position') }} as missed_rules
    from attempt_texts
    group by
        segmentation,
        rule_segment,
        held_clauses

),

pattern_texts as (

    select
        patterns.segmentation,
        patterns.rule_segment,
        patterns.held_clauses,
        decided_texts.deciding_clauses,
        missed_texts.missed_rules
    from patterns
    left join decided_texts
        on
            patterns.segmentation = decided_texts.segmentation
            and patterns.rule_segment = decided_texts.rule_segment
            and patterns.held_clauses = decided_texts.held_clauses
    left join missed_texts
        on
            patterns.segmentation = missed_texts.segmentation
            and patterns.rule_segment = missed_texts.rule_segment
            and patterns.held_clauses = missed_texts.held_clauses

)
{%- endmacro %}

{#- A select: the rows of explained (as change_ctes makes them) in words, with the columns
    of pattern_texts and explanation. -#}
{% macro told_explanations() -%}
    select
        explained.*,
        pattern_texts.deciding_clauses,
        pattern_texts.missed_rules,
        case when explained.segment = explained.rule_segment then '' else 'Still counts as ' || explained.segment || '. ' end
        || explained.rule_segment || ': ' || coalesce(pattern_texts.deciding_clauses, 'no rule holds')
        || coalesce(', with ' || explained.clause_values, '')
        || coalesce('. Missed: ' || pattern_texts.missed_rules, '')
        || coalesce(
            '. Nearest: ' || explained.nearest_segment || coalesce(
                ', if ' || explained.change_feature || ' were ' || explained.change_to || ' instead of '
                || coalesce(explained.change_from, 'missing'),
                case
                    when explained.nearest_segment = explained.rule_segment then ', where the rules put them already'
                    else ', by no change of a single feature'
                end
            ),
            ''
        ) || '.' as explanation
    from explained
    left join pattern_texts
        on
            explained.segmentation = pattern_texts.segmentation
            and explained.rule_segment = pattern_texts.rule_segment
            and explained.held_clauses = pattern_texts.held_clauses
{%- endmacro %}
