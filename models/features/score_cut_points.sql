{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}

with customer_measures as (

    select
        as_of_date,
        -{{ days_between('last_order_date', 'as_of_date') }} as recency,
        orders_365d as frequency,
        net_sales_365d as monetary
    from {{ ref('customer_measures') }}
    where
        as_of_date between {{ first_date() }} and {{ last_date() }}
        and orders_365d > 0

),

cut_points as (

    select
        {%- for score in ['recency', 'frequency', 'monetary'] %}
        {%- for percentile in [20, 40, 60, 80] %}
        {{ cut_point(score, percentile) }} as {{ score }}_p{{ percentile }},
        {%- endfor %}
        {%- endfor %}
        as_of_date
    from customer_measures
    group by as_of_date

)

select * from cut_points
