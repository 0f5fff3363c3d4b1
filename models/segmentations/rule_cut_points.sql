{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['as_of_date'],
    on_schema_change='append_new_columns',
    pre_hook=[
        {"sql": "{{ add_new_columns() }}", "transaction": false},
        "{{ forget('as_of_date') }}",
    ]
) }}
-- depends_on: {{ ref('customer_features_history') }}
{%- set features = known_features() %}
{%- set columns_in_rules = [] %}
{%- for feature, percentile in percentiles_in_rules() %}
{%- do columns_in_rules.append(feature ~ '_p' ~ percentile) %}
{%- endfor %}
{%- set columns_kept = [] %}
{%- if frozen_days() and is_incremental() %}
{%- set columns_kept = adapter.get_columns_in_relation(this) | map(attribute='name') | reject('equalto', 'as_of_date') | list %}
{%- endif %}

-- The days of the run, and those on which cut points are frozen where they lack some:
-- a rule may ask for a percentile that was not needed then.
with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}
    {%- if frozen_days() %}
    union all
    select * from {{ ref('customer_features_history') }}
    where
        as_of_date in ({{ frozen_days() | join(', ') }})
        and as_of_date not between {{ first_date() }} and {{ last_date() }}
        {%- if is_incremental() and not columns_in_rules | reject('in', columns_kept) | list %}
        and as_of_date not in (
            select kept.as_of_date
            from {{ this }} as kept
            where
                kept.as_of_date in ({{ frozen_days() | join(', ') }})
                {%- for column in columns_in_rules %}
                and kept.{{ column }} is not null
                {%- endfor %}
        )
        {%- endif %}
    {%- endif %}

),

cut_points as (

    select
        {%- for feature, percentile in percentiles_in_rules() %}
        {{ cut_point(features[feature].value, percentile) }} as {{ feature }}_p{{ percentile }},
        {%- endfor %}
        customer_features.as_of_date
    from customer_features
    group by customer_features.as_of_date

)

{% if columns_kept -%}
-- The features of a frozen day are now those of customers who are still delivered, so what
-- is kept of it stays, and with it what no rule compares with at present.
select
    {%- for column in (columns_in_rules + columns_kept) | unique %}
    {%- if column not in columns_kept %}
    cut_points.{{ column }},
    {%- elif column not in columns_in_rules %}
    kept.{{ column }},
    {%- else %}
    coalesce(kept.{{ column }}, cut_points.{{ column }}) as {{ column }},
    {%- endif %}
    {%- endfor %}
    cut_points.as_of_date
from cut_points
left join {{ this }} as kept
    on cut_points.as_of_date = kept.as_of_date
{%- else -%}
select * from cut_points
{%- endif %}
