{#- The common table expression held_clauses, with those it rests on: which clauses held of
    some customers on some days, a row per customer_id, segmentation and as_of_date of the
    relation `asked` (customer_id, as_of_date). -#}
{% macro held_clauses(asked) -%}
    {%- set below = [] -%}
    {%- for definition in definitions() -%}
        {%- do below.extend(definition.asked) -%}
    {%- endfor -%}
rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

score_cut_points as (

    select * from {{ ref('score_cut_points') }}

),

customer_features as (

    select all_features.*
    from {{ ref('customer_features') }} as all_features
    inner join {{ asked }} as asked
        on
            all_features.customer_id = asked.customer_id
            and all_features.as_of_date = asked.as_of_date

),

{%- for name in below | unique %}

{{ name }} as (

    select
        customer_id,
        as_of_date,
        segment
    from {{ ref('segment_states') }}
    where segmentation = '{{ name }}'

),
{%- endfor %}

held_clauses as (
    {%- for definition in definitions() %}

    select
        customer_features.customer_id,
        '{{ definition.name }}' as segmentation,
        customer_features.as_of_date,
        cast({{ definition.held_bits | join('\n            + ') or '0' }} as bigint) as held_clauses
    from customer_features
    {{ definition.joins | join('\n    ') }}
    {{ 'union all' if not loop.last }}
    {%- else %}

    select
        customer_id,
        cast(null as {{ dbt.type_string() }}) as segmentation,
        as_of_date,
        cast(null as bigint) as held_clauses
    from customer_features
    {%- endfor %}

)
{%- endmacro %}
