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
        as_of_date
        {%- for feature, percentile in percentiles_in_rules() %},
        cast(percentile_disc({{ percentile / 100 }}) within group (order by {{ feature }}) as double)
            as {{ feature }}_p{{ percentile }}
        {%- endfor %}
    from customer_features
    group by as_of_date

)

select * from cut_points
