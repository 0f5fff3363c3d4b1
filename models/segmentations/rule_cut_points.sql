{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget('as_of_date') }}"
) }}

with customer_features as (

    select *
    from {{ ref('customer_features') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

cut_points as (

    select
        {%- for feature, percentile in percentiles_in_rules() %}
        {{ cut_point(feature, percentile) }} as {{ feature }}_p{{ percentile }},
        {%- endfor %}
        as_of_date
    from customer_features
    group by as_of_date

)

select * from cut_points
