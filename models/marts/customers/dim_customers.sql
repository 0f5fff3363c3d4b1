with customers as (

    select * from {{ ref('customers') }}

),

customer_measures as (

    select
        customer_id,
        first_seen_date
    from {{ ref('customer_measures') }}
    where as_of_date = {{ last_date() }}

),

customer_combinations as (

    select * from {{ ref('customer_combinations') }}

)

select
    customer_measures.customer_id,
    customer_measures.first_seen_date,
    customers.customer_type,
    customers.age_band,
    customers.income_band,
    customers.household_size,
    customers.household_composition,
    customers.home_ownership,
    customers.marital_status,
    -- One column per active segmentation: a new one wants a new column in the contract.
    {%- for name in active_segmentations() %}
    customer_combinations.{{ name }},
    {%- endfor %}
    customers.kids_count
from customer_measures
inner join customers
    on customer_measures.customer_id = customers.customer_id
left join customer_combinations
    on customer_measures.customer_id = customer_combinations.customer_id
