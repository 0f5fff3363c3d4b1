{{ config(
    materialized='incremental',
    tags='every_day',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget_all_but_the_day_before('as_of_date') }}"
) }}

-- The days of the run, and the day before it, which the run before has left here
-- unless this one builds old days again.
with days as (

    select * from {{ ref('measured_days') }}
    where as_of_date between {{ first_date(-1) }} and {{ last_date() }}
    {%- if is_incremental() %}
        and as_of_date not in (select kept.as_of_date from {{ this }} as kept)
    {%- endif %}

),

measures as (
    {{ measures_of_days() }}

)

select * from measures
