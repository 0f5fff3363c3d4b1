{{ config(materialized='view') }}

with late_customer_days as (

    select * from {{ ref('late_customer_days') }}
    -- The same where a change was taken back before a run that had seen it was published.
    where fingerprint_before <> fingerprint_now

)

select
    seen_on,
    activity_date,
    {{ days_between('activity_date', 'seen_on') }} as days_late,
    cast(sum(cast(greatest(lines_now - lines_before, 0) as double)) as bigint) as late_lines,
    cast(sum(cast(greatest(lines_before - lines_now, 0) as double)) as bigint) as withdrawn_lines,
    count(case when lines_now = lines_before then 1 end) as corrected_customers,
    count(*) as customers,
    {{ money('round(sum(net_cents_now - net_cents_before) * 100)') }} as net_sales_change
from late_customer_days
group by
    seen_on,
    activity_date
