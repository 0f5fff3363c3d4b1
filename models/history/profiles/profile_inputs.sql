{{ config(materialized='view', tags=['weekly']) }}
{%- set features = profiled_features() if execute else {} %}

with customer_features as (

    select * from {{ ref('profiled_customers') }}

)

select
    {%- for feature, value in features.items() %}
    cast({{ value }} as double) as {{ feature }},
    {%- endfor %}
    customer_features.combination
from customer_features
