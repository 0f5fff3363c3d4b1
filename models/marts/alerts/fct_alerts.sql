{%- set patience = var('alert_resolve_days') -%}
{#- An alert that was not found for so long ends even if nothing of its kind is judged any more: 8 weeks, or
    as long as the judged days take at the pace of distributions, which may be looked at on Mondays only. -#}
{%- set most_days = [56, patience * var('drift_every_days')] | max -%}

with fct_alert_tests as (

    select * from {{ ref('fct_alert_tests') }}

),

dim_segments as (

    select * from {{ ref('dim_segments') }}
    where is_current

),

dim_segmentations as (

    select * from {{ ref('dim_segmentations') }}
    where is_current

),

acknowledgements as (

    select * from {{ source('operations', 'alert_acknowledgements') }}

),

-- The days on which a kind of test was made at all, in order: an alert's gaps and its end
-- are counted in them.
judged_days as (

    select
        kind,
        as_of_date,
        row_number() over (partition by kind order by as_of_date) as day_number
    from (
        select distinct
            kind,
            as_of_date
        from fct_alert_tests
    ) as days

),

-- One alert goes on while no more than so many days without it lie between, by days on
-- which its kind was judged and by the calendar -----------------------------------------
findings as (

    select
        fct_alert_tests.*,
        judged_days.day_number,
        lag(judged_days.day_number) over (
            partition by
                fct_alert_tests.kind,
                fct_alert_tests.segmentation,
                fct_alert_tests.segment,
                fct_alert_tests.feature
            order by fct_alert_tests.as_of_date
        ) as previous_number,
        lag(fct_alert_tests.as_of_date) over (
            partition by
                fct_alert_tests.kind,
                fct_alert_tests.segmentation,
                fct_alert_tests.segment,
                fct_alert_tests.feature
            order by fct_alert_tests.as_of_date
        ) as previous_day
    from fct_alert_tests
    inner join judged_days
        on
            fct_alert_tests.kind = judged_days.kind
            and fct_alert_tests.as_of_date = judged_days.as_of_date
    where fct_alert_tests.is_alert

),

numbered as (

    select
        *,
        sum(
            case
                when
                    day_number - previous_number <= {{ patience }}
                    and as_of_date <= {{ add_days('previous_day', most_days) }}
                    then 0
                else 1
            end
        ) over (
            partition by
                kind,
                segmentation,
                segment,
                feature
            order by as_of_date
            rows between unbounded preceding and current row
        ) as alert_number
    from findings

),

alerts as (

    select
        kind,
        segmentation,
        segment,
        feature,
        alert_number,
        min(as_of_date) as first_day,
        max(as_of_date) as last_day,
        max(day_number) as last_number,
        count(*) as days
    from numbered
    group by
        kind,
        segmentation,
        segment,
        feature,
        alert_number

),

dated as (

    select
        alerts.*,
        md5(
            alerts.kind || '/' || alerts.segmentation || '/' || alerts.segment || '/' || alerts.feature
            || '/' || cast(alerts.first_day as {{ dbt.type_string() }})
        ) as hash,
        -- Whichever comes first; a date that is missing is none.
        least(
            resolving_days.as_of_date,
            case
                when {{ add_days('alerts.last_day', most_days + 1) }} <= {{ last_date() }}
                    then {{ add_days('alerts.last_day', most_days + 1) }}
            end
        ) as resolved_on
    from alerts
    left join judged_days as resolving_days
        on
            alerts.kind = resolving_days.kind
            and alerts.last_number + {{ patience }} = resolving_days.day_number

),

-- How much: as on the last day on which it was found.
described as (

    select
        substr(dated.hash, 1, 12) as alert_id,
        dated.kind,
        dated.segmentation,
        dated.segment,
        dated.feature,
        numbered.observed,
        numbered.expected,
        numbered.score,
        numbered.step_score,
        numbered.p_value,
        numbered.adjusted_p_value,
        dated.first_day,
        dated.last_day,
        dated.days,
        dated.resolved_on
    from dated
    inner join numbered
        on
            dated.kind = numbered.kind
            and dated.segmentation = numbered.segmentation
            and dated.segment = numbered.segment
            and dated.feature = numbered.feature
            and dated.last_day = numbered.as_of_date

),

-- The last acknowledgement of an alert counts.
numbered_acknowledgements as (

    select
        *,
        row_number() over (
            partition by alert_id
            order by acknowledged_at desc, acknowledged_by asc
        ) as number_from_last
    from acknowledgements

),

last_acknowledgements as (

    select * from numbered_acknowledgements
    where number_from_last = 1

)

select
    described.alert_id,
    described.kind,
    described.segmentation,
    described.segment,
    described.feature,
    described.observed,
    described.expected,
    described.score,
    described.step_score,
    described.p_value,
    described.adjusted_p_value,
    described.first_day,
    described.last_day,
    described.days,
    described.resolved_on,
    case
        when described.resolved_on is not null then 'resolved'
        when last_acknowledgements.alert_id is not null then 'acknowledged'
        else 'open'
    end as state,
    coalesce(dim_segments.owner, dim_segmentations.owner) as owner,
    'docs/operations.md#' || replace(described.kind, '_', '-') as runbook,
    last_acknowledgements.acknowledged_by,
    last_acknowledgements.acknowledged_at,
    last_acknowledgements.note
from described
left join dim_segments
    on
        described.segmentation = dim_segments.segmentation
        and described.segment = dim_segments.segment
left join dim_segmentations
    on described.segmentation = dim_segmentations.segmentation
left join last_acknowledgements
    on described.alert_id = last_acknowledgements.alert_id
