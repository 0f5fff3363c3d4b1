-- The joined are among the entered, the left among the exited.
select *
from {{ ref('fct_segment_daily') }}
where
    as_of_date >= {{ first_tested() }}
    and (
        joined > entered
        or {{ adapter.quote('left') }} > exited
        or joined < 0
        or {{ adapter.quote('left') }} < 0
        or customers < 0
    )
