{{ config(materialized='view') }}

-- The days of the run, and the day before it.
with days as (

    select * from {{ ref('measured_days') }}
    where as_of_date between {{ first_date(-1) }} and {{ last_date() }}

),

measures as (

    select
        days.as_of_date,
        in_force.customer_id,
        in_force.{{ measure_columns() | join(',\n        in_force.') }}
    from days
    inner join {{ measures_in_force_of(ref('measure_changes')) }} as in_force
        on
            days.key_frame = in_force.key_frame
            and days.as_of_date >= in_force.measured_on
            and days.as_of_date < in_force.valid_to
    where
        in_force.first_seen_date <= days.as_of_date
        and (in_force.closed_date is null or in_force.closed_date > days.as_of_date)

)

select * from measures
