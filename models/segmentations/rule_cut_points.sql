{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget_cut_points() }}"
) }}
{%- set features = known_features() if execute else {} %}

-- The days of the run, and those on which cut points are frozen: a rule may ask
-- for a percentile that was not needed then.
with customer_features as (

    select *
    from {{ ref('customer_features') }}
    where
        as_of_date between {{ first_date() }} and {{ last_date() }}
        or as_of_date in ({{ frozen_days() | join(', ') or 'null' }})

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
