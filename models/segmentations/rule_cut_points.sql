{{ config(
    materialized='incremental',
    tags='every_day',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook=[
        {"sql": "{{ add_new_columns() }}", "transaction": false},
        "{{ forget_cut_points() }}",
    ]
) }}
-- depends_on: {{ ref('customer_features_history') }}, {{ ref('measured_days') }}
{%- set features = known_features() if execute else {} %}

-- The days of the run, and those on which cut points are frozen: a rule may ask
-- for a percentile that was not needed then.
with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}
    {%- if frozen_days() %}
    union all
    select * from {{ ref('customer_features_history') }}
    where
        as_of_date in ({{ frozen_days() | join(', ') }})
        and as_of_date not between {{ first_date() }} and {{ last_date() }}
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

select * from cut_points
