-- What is kept beside the log of measures is what it says of the run's days and the day before, and nothing else.
{%- set since = 'measured_on >= ' ~ first_tested() %}
with key_frames as (

    select min(key_frame) as first_key_frame
    from {{ ref('measured_days') }}
    where as_of_date between {{ first_date(-1) }} and {{ last_date() }}

),

logged as (

    select
        customer_id,
        measured_on,
        key_frame,
        lead(measured_on, 1, cast('9999-12-31' as date)) over (
            partition by customer_id order by measured_on
        ) as valid_to
    from {{ ref('measure_changes') }}
    where {{ since }}

),

kept as (

    select
        customer_id,
        measured_on,
        key_frame,
        valid_to
    from {{ measures_in_force_of(ref('measure_changes')) }}
    where {{ since }}

),

lacking as (

    select * from logged
    except
    select * from kept

),

needless as (

    select * from kept
    except
    select * from logged

),

differing as (

    select * from lacking
    union all
    select * from needless

)

select differing.*
from differing
cross join key_frames
where
    differing.measured_on <= {{ last_date() }}
    and differing.valid_to >= {{ first_date() }}
    and differing.key_frame >= key_frames.first_key_frame
