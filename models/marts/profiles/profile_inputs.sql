{{ config(materialized='view', schema='profiles', contract={'enforced': false}) }}
{%- set features = profiled_features() if execute else {} %}

with customer_features as (

    select * from {{ ref('fct_customer_features') }}

),

customer_combinations as (

    select * from {{ ref('customer_combinations') }}

)

select
    {%- for feature, value in features.items() %}
    cast({{ value }} as double) as {{ feature }},
    {%- endfor %}
    customer_combinations.combination
from customer_features
inner join customer_combinations
    on customer_features.customer_id = customer_combinations.customer_id
