{#- The common table expressions that find, for one segmentation on one day, the
    smallest change of one feature that makes the rules decide for nearest_segment.
    The last, <name>_changed, has the rows of <name>_explained and clause_values, the
    customer's values of what the rule that decides is about, and change_feature,
    change_from and change_to, null where no change of a single feature does or the
    rules decide so already. They read what explanation_ctes reads, and
    <name>_explained. -#}
{% macro change_ctes(definition, day) -%}
    {%- set name = definition.name -%}
    {%- set numbers = features_in_rules(definition, 'number') -%}
    {%- set texts = features_in_rules(definition, 'text') -%}

{%- if not numbers and not texts %}
{{ name }}_changed as (

    select
        *,
        cast(null as {{ dbt.type_string() }}) as clause_values,
        cast(null as {{ dbt.type_string() }}) as change_feature,
        cast(null as {{ dbt.type_string() }}) as change_from,
        cast(null as {{ dbt.type_string() }}) as change_to
    from {{ name }}_explained

)
{%- else %}
{{ name }}_cut_points as (

    select *
    from rule_cut_points
    where as_of_date = {{ cut_point_day(definition, day) }}

),

-- What a change leads to depends on the clauses that hold alone: it is looked up
-- once for all customers of whom the same ones hold.
{{ name }}_patterns as (

    select distinct
        held_clauses,
        nearest_segment
    from {{ name }}_explained
    where nearest_segment <> rule_segment

),

-- The values next to the boundaries of the clauses of each feature, with the bits
-- of the clauses that would hold, of those that are about the feature.
{{ name }}_values as (
    {{ changes_to_try(definition, numbers, texts) }}

),

-- The features that might do: were all of their clauses as the rule of the nearest
-- segment wishes them, that rule would hold.
{{ name }}_hopes as (

    select
        patterns.held_clauses,
        patterns.nearest_segment,
        features.feature_number
    from {{ name }}_patterns as patterns
    cross join (
        select distinct
            feature_number,
            feature_bits
        from {{ name }}_values
    ) as features
    where
        case patterns.nearest_segment
            {%- for segment in definition.segments if segment.rule %}
            when '{{ segment.name }}' then {{ rule_may_hold(segment.rule) }}
            {%- endfor %}
            else true
        end

),

{{ name }}_tried as (

    select
        hopes.held_clauses,
        hopes.nearest_segment,
        hopes.feature_number,
        tried.new_number,
        tried.new_text,
        hopes.held_clauses - (hopes.held_clauses & tried.feature_bits) + tried.held_bits as new_held_clauses
    from {{ name }}_hopes as hopes
    inner join {{ name }}_values as tried
        on hopes.feature_number = tried.feature_number

),

{{ name }}_outcomes as (

    select
        *,
        {{ first_that_holds(definition, 'new_held_clauses') }} = nearest_segment as is_reached
    from {{ name }}_tried

),

-- Of a range of values that all lead there, its ends are enough.
{{ name }}_ranges as (

    select
        *,
        lag(is_reached, 1, false) over (
            partition by held_clauses, nearest_segment, feature_number order by new_number, new_text
        ) as is_reached_below,
        lead(is_reached, 1, false) over (
            partition by held_clauses, nearest_segment, feature_number order by new_number, new_text
        ) as is_reached_above
    from {{ name }}_outcomes

),

{{ name }}_changes as (

    select
        *,
        row_number() over (
            partition by held_clauses, nearest_segment
            order by feature_number, new_number, case when new_text = 'another value' then 1 else 0 end, new_text
        ) as change_number
    from {{ name }}_ranges
    where
        is_reached
        and (new_text is not null or not (is_reached_below and is_reached_above))

),

{{ name }}_customers as (

    select
        explained.*,
        case explained.rule_segment
            when '' then ''
            {%- for segment in definition.segments if segment.rule and values_text(segment.rule, definition) %}
            when '{{ segment.name }}' then {{ values_text(segment.rule, definition) }}
            {%- endfor %}
        end as clause_values
        {%- for feature, value in numbers.items() %},
        cast({{ value }} as double) as number_{{ loop.index0 }}
        {%- endfor %}
        {%- for feature, value in texts.items() %},
        {{ value }} as text_{{ loop.index0 }}
        {%- endfor %}
    from {{ name }}_explained as explained
    inner join customer_features
        on explained.customer_id = customer_features.customer_id
    {%- if definition.frozen_on %}
    left join score_cut_points
        on {{ cut_point_day(definition, 'customer_features.as_of_date') }} = score_cut_points.as_of_date
    {%- endif %}

),

{{ name }}_smallest as (

    select
        customers.customer_id,
        min_by(
            changes.change_number,
            case changes.feature_number
                when -1 then 0
                {%- for feature in numbers %}
                when {{ loop.index0 }} then
                    coalesce(abs(changes.new_number - customers.number_{{ loop.index0 }}) / feature_scales.{{ feature }}, 1)
                {%- endfor %}
                else 1
            end + changes.change_number * 0.000000001
        ) as change_number
    from {{ name }}_customers as customers
    inner join {{ name }}_changes as changes
        on
            customers.held_clauses = changes.held_clauses
            and customers.nearest_segment = changes.nearest_segment
    cross join feature_scales
    group by customers.customer_id

),

{{ name }}_changed as (

    select
        customers.customer_id,
        customers.segmentation,
        customers.rule_version,
        customers.segment,
        customers.rule_segment,
        customers.held_clauses,
        customers.fit,
        customers.nearest_segment,
        customers.clause_values,
        case changes.feature_number
            {%- for feature in numbers %}
            when {{ loop.index0 }} then '{{ feature }}'
            {%- endfor %}
            {%- for feature in texts %}
            when {{ numbers | length + loop.index0 }} then '{{ feature }}'
            {%- endfor %}
        end as change_feature,
        case changes.feature_number
            {%- for feature in numbers %}
            when {{ loop.index0 }} then {{ number_text('customers.number_' ~ loop.index0) }}
            {%- endfor %}
            {%- for feature in texts %}
            when {{ numbers | length + loop.index0 }} then customers.text_{{ loop.index0 }}
            {%- endfor %}
        end as change_from,
        coalesce(changes.new_text, {{ number_text('changes.new_number') }}) as change_to
    from {{ name }}_customers as customers
    left join {{ name }}_smallest as smallest
        on customers.customer_id = smallest.customer_id
    left join {{ name }}_changes as changes
        on
            customers.held_clauses = changes.held_clauses
            and customers.nearest_segment = changes.nearest_segment
            and smallest.change_number = changes.change_number

)
{%- endif %}
{%- endmacro %}

{#- Whether a parsed rule might hold were the clauses of one feature (feature_bits) as
    it wishes, over the bits held_clauses. -#}
{% macro rule_may_hold(node, wanted=true) %}
    {%- if 'clause' in node -%}
        {%- set bit = 2 ** node.clause -%}
        {{ return('((patterns.held_clauses | features.feature_bits) & ' ~ bit ~ ') <> 0' if wanted
            else '(patterns.held_clauses & ' ~ bit ~ ') = 0 or (features.feature_bits & ' ~ bit ~ ') <> 0') }}
    {%- elif 'not' in node -%}
        {{ return(rule_may_hold(node['not'], not wanted)) }}
    {%- endif -%}
    {%- set key = (node | list)[0] -%}
    {%- set parts = [] -%}
    {%- for part in node[key] -%}
        {%- do parts.append('(' ~ rule_may_hold(part, wanted) ~ ')') -%}
    {%- endfor -%}
    {{ return('(' ~ (parts | join(' and ' if (key == 'all') == wanted else ' or ')) ~ ')') }}
{% endmacro %}

{#- A select of the values that a feature may be changed to: feature_number,
    new_number or new_text, feature_bits (those of all clauses about the feature) and
    held_bits (those of them that hold of the value). Of a number these are 0, the
    values that its clauses name and their neighbours, 1 away for whole numbers, else
    0.01, or 0.0001 for values below 2, as shares are; of a text those that its
    clauses name and 'another value'. -#}
{% macro changes_to_try(definition, numbers, texts) -%}
    {%- set selects = [] -%}
    {%- for feature in (numbers | list) + (texts | list) -%}
        {%- set is_number = feature in numbers -%}
        {%- set literals = ['0'] if is_number else ["'another value'"] -%}
        {%- set bits = [] -%}
        {%- set own_bits = namespace(sum=0) -%}
        {%- for clause in definition.clauses -%}
            {%- if clause.feature == feature -%}
                {%- set own_bits.sum = own_bits.sum + 2 ** loop.index0 -%}
                {%- do bits.append('case when ' ~ clause_sql(dict(clause, value='tried.value')) ~ ' then ' ~ 2 ** loop.index0 ~ ' else 0 end') -%}
                {%- for literal in clause.literals -%}
                    {%- set step = '1' if clause.data_type == 'bigint' else 'case when abs(' ~ literal ~ ') < 2 then 0.0001 else 0.01 end' -%}
                    {%- do literals.extend([literal, literal ~ ' - ' ~ step, literal ~ ' + ' ~ step] if is_number else [literal]) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set number = loop.index0 -%}
        {%- set values = [] -%}
        {%- for literal in literals | unique -%}
            {%- do values.append('select cast(' ~ literal ~ ' as ' ~ ('double' if is_number else dbt.type_string()) ~ ') as value'
                ~ (' from ' ~ definition.name ~ '_cut_points as rule_cut_points' if 'rule_cut_points' in literal else '')) -%}
        {%- endfor -%}
        {%- set joins = '\n    cross join ' ~ definition.name ~ '_cut_points as rule_cut_points' if 'rule_cut_points' in (bits | join) else '' -%}
        {%- do selects.append('select\n        ' ~ number ~ ' as feature_number,\n        '
                ~ ('tried.value' if is_number else 'cast(null as double)') ~ ' as new_number,\n        '
                ~ ('cast(null as ' ~ dbt.type_string() ~ ')' if is_number else 'tried.value') ~ ' as new_text,\n        '
                ~ 'cast(' ~ own_bits.sum ~ ' as bigint) as feature_bits,\n        cast(' ~ (bits | join('\n            + ')) ~ ' as bigint) as held_bits\n    from ('
                ~ (values | join('\n        union\n        ')) ~ '\n    ) as tried' ~ joins ~ '\n    where tried.value is not null') -%}
    {%- endfor -%}
    {{ return(selects | join('\n    union all\n    ')) }}
{%- endmacro %}

{#- A number as text, without needless decimals. -#}
{% macro number_text(value) -%}
    case
                when {{ value }} = floor({{ value }}) then cast(cast({{ value }} as bigint) as {{ dbt.type_string() }})
                else cast(round({{ value }}, 4) as {{ dbt.type_string() }})
            end
{%- endmacro %}

{#- A customer's values of the features that a parsed rule is about, as SQL text
    `orders_30d 3, age_band 65+`; empty where it is about none. -#}
{% macro values_text(rule, definition) -%}
    {%- set values = {} -%}
    {%- for i in clauses_of(rule) | unique | sort -%}
        {%- set clause = definition.clauses[i] -%}
        {%- if clause.operator != 'in segment' -%}
            {%- set text = number_text(clause.value) | trim if clause.data_type == 'double'
                else 'cast(' ~ clause.value ~ ' as ' ~ dbt.type_string() ~ ')' -%}
            {%- do values.update({clause.feature: "'" ~ clause.feature ~ " ' || coalesce(" ~ text ~ ", 'missing')"}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(values.values() | join(" || ', ' || ")) }}
{%- endmacro %}
