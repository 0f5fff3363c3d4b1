{{ config(materialized='table', tags=['of_files']) }}

with united as (
    {{ unite('customers', [
        'customer_id', 'first_seen_date', 'closed_date', 'customer_type', 'age_band', 'income_band',
        'household_size', 'household_composition', 'home_ownership', 'marital_status', 'kids_count',
    ]) }}

),

dated as (

    select
        source_system,
        customer_id,
        first_seen_date,
        closed_date,
        customer_type,
        age_band,
        income_band,
        household_size,
        household_composition,
        home_ownership,
        marital_status,
        kids_count
    from united

)

select * from dated
