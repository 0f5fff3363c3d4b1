{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}
{%- set percentiles = [20, 40, 60, 80] -%}

with customer_measures as (

    select
        *,
        -{{ dbt.datediff('last_order_date', 'as_of_date', 'day') }} as recency
    from {{ ref('customer_measures') }}
    where
        as_of_date between {{ first_date() }} and {{ last_date() }}
        and orders_365d > 0

),

cut_points as (

    select
        as_of_date
        {%- for score, feature in scored_features().items() %}
            {%- for percentile in percentiles %},
        cast(percentile_disc({{ percentile / 100 }}) within group (order by {{ feature }}) as double)
            as {{ score }}_p{{ percentile }}
            {%- endfor %}
        {%- endfor %}
    from customer_measures
    group by as_of_date

)

select * from cut_points
