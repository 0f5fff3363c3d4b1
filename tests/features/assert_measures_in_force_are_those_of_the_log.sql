{{ config(tags=['weekly']) }}
-- What is kept beside the log of measures says of the day before the run and of its last day what the log says.
with days as (

    select * from {{ ref('measured_days') }}
    where as_of_date in ({{ first_date(-1) }}, {{ last_date() }})

),

logged as (
    {{ changes_in_force(ref('measure_changes')) }}

),

kept as (

    select
        days.as_of_date,
        in_force.customer_id,
        in_force.measured_on
    from days
    inner join {{ measures_in_force_of(ref('measure_changes')) }} as in_force
        on
            days.key_frame = in_force.key_frame
            and days.as_of_date >= in_force.measured_on
            and days.as_of_date < in_force.valid_to

)

select *
from (
    select * from logged
    except all
    select * from kept
) as lacking
union all
select *
from (
    select * from kept
    except all
    select * from logged
) as needless
