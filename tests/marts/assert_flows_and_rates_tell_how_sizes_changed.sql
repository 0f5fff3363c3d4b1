-- What a segment gained in a month from all others together is its change in size, and so are entries less exits.
-- Of the first month the flows have everybody as new, while the rates begin a day later.
with rates as (

    select
        segmentation,
        segment,
        month_start,
        net_change,
        customers_at_end - customers_at_start as size_change,
        min(month_start) over (partition by segmentation) as first_month
    from {{ ref('fct_segment_rates') }}

),

gains as (

    select
        period_start,
        segmentation,
        segment,
        net_customers_in as gain
    from {{ ref('fct_segment_flows') }}
    where period = 'month'
    union all
    select
        period_start,
        segmentation,
        other_segment as segment,
        -net_customers_in as gain
    from {{ ref('fct_segment_flows') }}
    where period = 'month'

),

flows as (

    select
        period_start,
        segmentation,
        segment,
        sum(gain) as gain
    from gains
    group by
        period_start,
        segmentation,
        segment

)

select
    rates.*,
    flows.gain
from rates
left join flows
    on
        rates.month_start = flows.period_start
        and rates.segmentation = flows.segmentation
        and rates.segment = flows.segment
where
    rates.size_change <> rates.net_change
    or (rates.month_start > rates.first_month and rates.size_change <> coalesce(flows.gain, 0))
