-- A customer whose rules give the segment they are in fits it with at least 0.5.
select *
from {{ ref('customer_segments') }}
where
    segment = rule_segment
    and (fit is null or fit < 0.5 or fit > 1)
