-- The stays of N customers in five segmentations, as fct_segment_spells has them on a day. A stay lasts some 25 days, so
-- that a customer moves about 72 times a year; every value is a fixed formula of hash().
-- Variables: customers (N), days (of history before 2025), day (the as-of date, in January 2025).

create or replace temporary table spells as
with stays as (
    select
        customers.range as customer_id,
        segmentations.range as segmentation,
        stays.range as stay,
        -- Hashed twice, as hash() of several values only combines their hashes.
        hash(hash(customers.range, segmentations.range, stays.range)) as key,
        date '2025-01-01' - cast(getvariable('days') - 25 * stays.range - key % 25 as integer) as valid_from
    from range(getvariable('customers')) as customers
    cross join range(5) as segmentations
    cross join range(cast(getvariable('days') / 25 + 2 as bigint)) as stays
)

select
    customer_id,
    'seg_' || segmentation as segmentation,
    'segment_' || key % 11 as segment,
    lag('segment_' || key % 11) over of_customer as previous_segment,
    lead('segment_' || key % 11) over of_customer as next_segment,
    valid_from,
    lead(valid_from, 1, date '9999-12-31') over of_customer as valid_to,
    lead(valid_from) over of_customer is null as is_current,
    lead(valid_from, 1, getvariable('day') + 1) over of_customer - valid_from as days,
    'now holds: recency_score >= ' || key % 5 || ' and frequency_score <= ' || key % 7 as entry_reason,
    if(is_current, null, 'no longer holds: monetary_score >= ' || key % 5) as exit_reason,
    substr(md5(cast(segmentation as varchar)), 1, 12) as rule_version
from stays
where valid_from <= getvariable('day')
window of_customer as (partition by customer_id, segmentation order by stay);
