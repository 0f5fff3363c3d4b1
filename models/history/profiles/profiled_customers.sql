{{ config(materialized='table', tags=['weekly']) }}

with profile_days as (

    select * from {{ ref('profile_days') }}

),

-- It may be one of two days, and features of the other are not read. A view of all days is asked for a constant day.
features as (

    select
        {{ published_features() }}
    from {{ ref('customer_features') }}
    where
        as_of_date = {{ last_date() }}
        and as_of_date in (select profile_days.as_of_date from profile_days)
    {%- if weekly_day() != last_date() %}
    union all
    select
        {{ published_features() }}
    from {{ ref('customer_features_history') }}
    where
        as_of_date = {{ weekly_day() }}
        and as_of_date in (select profile_days.as_of_date from profile_days)
    {%- endif %}

),

combinations as (

    select * from {{ ref('profiled_combinations') }}

)

select
    features.*,
    combinations.combination
from features
inner join combinations
    on features.customer_id = combinations.customer_id
