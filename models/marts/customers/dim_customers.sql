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

-- One column per active segmentation: a new one wants a new column in the contract.
current_segments as (

    select
        {%- for name in active_segmentations() %}
        max(case when segmentation = '{{ name }}' then segment end) as {{ name }},
        {%- endfor %}
        customer_id
    from {{ ref('customer_segments') }}
    group by customer_id

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
    {%- for name in active_segmentations() %}
    current_segments.{{ name }},
    {%- endfor %}
    customers.kids_count
from customer_measures
inner join customers
    on customer_measures.customer_id = customers.customer_id
left join current_segments
    on customer_measures.customer_id = current_segments.customer_id
