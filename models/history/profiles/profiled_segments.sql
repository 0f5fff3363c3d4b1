{{ config(materialized='table', tags=['weekly']) }}

-- Of who is gone from the sources since then no features are known.
with members as (

    select profiled_combinations.*
    from {{ ref('profiled_combinations') }} as profiled_combinations
    inner join {{ ref('profiled_customers') }} as profiled_customers
        on profiled_combinations.customer_id = profiled_customers.customer_id

),

segments as (
    {{ segments_of_combinations('members') }}

)

select * from segments
