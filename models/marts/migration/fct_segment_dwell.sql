{#- A stay that is open has lasted longer than to the last day of its segmentation: on the next, which nobody has seen,
    it may be over. -#}
{%- set end = 'least(fct_segment_spells.valid_to, segmentation_days.last_as_of_date)' %}
{%- set days = days_between('fct_segment_spells.valid_from', end) %}

with segmentation_days as (

    select
        segmentation,
        min(as_of_date) as first_as_of_date,
        max(as_of_date) as last_as_of_date
    from {{ ref('segmentation_days') }}
    group by segmentation

),

fct_segment_spells as (

    select * from {{ ref('fct_segment_spells') }}

),

-- A stay that was under way when the record of its segmentation begins has no known beginning and is left out.
stays as (

    select
        fct_segment_spells.segmentation,
        fct_segment_spells.segment,
        fct_segment_spells.previous_segment is null
        and fct_segment_spells.valid_from = segmentation_days.first_as_of_date as is_left_out,
        {{ days }} as days,
        count(case when not fct_segment_spells.is_current then 1 end) as exits,
        count(case when fct_segment_spells.next_segment = '(left)' then 1 end) as departures,
        count(case when fct_segment_spells.is_current then 1 end) as censored
    from fct_segment_spells
    inner join segmentation_days
        on fct_segment_spells.segmentation = segmentation_days.segmentation
    group by
        fct_segment_spells.segmentation,
        fct_segment_spells.segment,
        fct_segment_spells.previous_segment is null
        and fct_segment_spells.valid_from = segmentation_days.first_as_of_date,
        {{ days }}

),

stays_with_all as (

    select * from stays
    union all
    select
        segmentation,
        '(all)' as segment,
        is_left_out,
        days,
        sum(exits) as exits,
        sum(departures) as departures,
        sum(censored) as censored
    from stays
    group by
        segmentation,
        is_left_out,
        days

),

left_out as (

    select
        segmentation,
        segment,
        sum(exits + censored) as stays_left_out
    from stays_with_all
    where is_left_out
    group by
        segmentation,
        segment

),

-- Every curve begins with all stays at 0 days.
known_points as (

    select
        segmentation,
        segment,
        days,
        exits,
        departures,
        censored
    from stays_with_all
    where not is_left_out
    union all
    select distinct
        segmentation,
        segment,
        0 as days,
        0 as exits,
        0 as departures,
        0 as censored
    from stays_with_all
    where not is_left_out

),

points as (

    select
        segmentation,
        segment,
        days,
        sum(exits) as exits,
        sum(departures) as departures,
        sum(censored) as censored
    from known_points
    group by
        segmentation,
        segment,
        days

),

at_risk as (

    select
        segmentation,
        segment,
        days,
        exits,
        departures,
        censored,
        cast(sum(exits + censored) over (
            partition by segmentation, segment
            order by days desc
            rows between unbounded preceding and current row
        ) as double) as at_risk
    from points

),

-- Where all who are left exit at once, the curve falls to 0 and ends. An engine may add from the last day back, which
-- leaves last digits where nobody has exited yet: so the sum is rounded, and no variance is negative.
summed as (

    select
        *,
        round(
            sum(ln(1 - exits / nullif(at_risk, exits))) over (
                partition by segmentation, segment
                order by days
                rows between unbounded preceding and current row
            ), 12
        ) as log_survival,
        greatest(
            sum(exits / (at_risk * nullif(at_risk - exits, 0))) over (
                partition by segmentation, segment
                order by days
                rows between unbounded preceding and current row
            ), 0
        ) as relative_variance
    from at_risk

),

survived as (

    select
        *,
        case when exits = at_risk then cast(0 as double) else exp(log_survival) end as survival,
        case when exits < at_risk then exp(log_survival) * sqrt(relative_variance) end as standard_error,
        -- The interval is symmetric for ln(-ln(survival)) and so stays between 0 and 1.
        case when exits < at_risk and log_survival < 0 then exp(1.959964 * sqrt(relative_variance) / -log_survival) end
            as interval_factor
    from summed

),

medians as (

    select
        segmentation,
        segment,
        min(days) as median_days
    from survived
    where round(survival, 9) <= 0.5
    group by
        segmentation,
        segment

)

select
    {{ last_date() }} as as_of_date,
    survived.segmentation,
    survived.segment,
    survived.days,
    cast(survived.at_risk as bigint) as at_risk,
    cast(survived.exits as bigint) as exits,
    cast(survived.departures as bigint) as departures,
    cast(survived.censored as bigint) as censored,
    round(survived.survival, 6) as survival,
    round(survived.standard_error, 6) as standard_error,
    round(exp(survived.log_survival * survived.interval_factor), 6) as survival_low,
    round(exp(survived.log_survival / survived.interval_factor), 6) as survival_high,
    medians.median_days,
    cast(coalesce(left_out.stays_left_out, 0) as bigint) as stays_left_out
from survived
left join medians
    on
        survived.segmentation = medians.segmentation
        and survived.segment = medians.segment
left join left_out
    on
        survived.segmentation = left_out.segmentation
        and survived.segment = left_out.segment
