{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook=[
        {"sql": "{{ add_new_columns() }}", "transaction": false},
        "{{ forget('as_of_date') }}",
    ],
    post_hook="{{ forget_old_tests(findings_stay=true) }}"
) }}
{%- set compared = range(7, 7 * var('alert_compared_weeks') + 1, 7) -%}
{%- set usual = var('alert_usual_days') -%}
{#- A day is set against the one before it, where that was at most a week ago. -#}
{%- set reach = usual + compared[-1] + 7 -%}
{%- set minimum_customers = var('alert_minimum_customers') -%}
{%- set minimum_change = var('alert_minimum_change') %}

with run_days as (
    {{ run_days() }}

),

fct_segment_daily as (

    select * from {{ ref('fct_segment_daily') }}
    where
        as_of_date between {{ first_date(-reach) }} and {{ last_date() }}
        and segmentation in {{ sql_texts(active_segmentations()) }}

),

fct_segment_drift as (

    select * from {{ ref('fct_segment_drift') }}
    where as_of_date between {{ first_date(-reach) }} and {{ last_date() }}

),

fct_segmentation_quality as (

    select * from {{ ref('fct_segmentation_quality') }}
    where as_of_date between {{ first_date(-reach) }} and {{ last_date() }}

),

fct_segment_response_rates as (

    select * from {{ ref('fct_segment_response_rates') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

fct_persona_daily as (

    select * from {{ ref('fct_persona_daily') }}
    where
        as_of_date between {{ first_date() }} and {{ last_date() }}
        and segmentation in {{ sql_texts(active_segmentations()) }}

),

-- What is measured day by day, and compared with itself -------------------------------
-- finest is what the series cannot be judged finer than, as a part of its value.
series as (

    select
        'size' as kind,
        segmentation,
        segment,
        'customers' as feature,
        as_of_date,
        cast(customers as double) as value,
        greatest(0.01, 1 / greatest(cast(customers as double), 1)) as finest,
        customers
    from fct_segment_daily
    union all
    select
        'level' as kind,
        segmentation,
        segment,
        feature,
        as_of_date,
        mean as value,
        0.01 as finest,
        customers
    from fct_segment_drift
    where mean > 0
    union all
    select
        'share_explained' as kind,
        segmentation,
        '(all)' as segment,
        'share_explained' as feature,
        as_of_date,
        share_explained as value,
        0.01 as finest,
        customers
    from fct_segmentation_quality
    where share_explained > 0

),

same_weekdays as (
    {%- for days in compared %}
    select
        kind,
        segmentation,
        segment,
        feature,
        {{ add_days('as_of_date', days) }} as as_of_date,
        value
    from series
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

same_weekday_medians as (

    select
        kind,
        segmentation,
        segment,
        feature,
        as_of_date,
        median(value) as usual_value
    from same_weekdays
    group by
        kind,
        segmentation,
        segment,
        feature,
        as_of_date
    having count(*) = {{ compared | length }}

),

-- The deviation of a series that grows steadily is the same every day, so it is the
-- change of the deviation that tells.
measured_deviations as (

    select
        series.*,
        same_weekday_medians.usual_value,
        series.value / greatest(
            same_weekday_medians.usual_value, case when series.kind = 'size' then 1 else 0 end
        ) - 1 as deviation
    from series
    inner join same_weekday_medians
        on
            series.kind = same_weekday_medians.kind
            and series.segmentation = same_weekday_medians.segmentation
            and series.segment = same_weekday_medians.segment
            and series.feature = same_weekday_medians.feature
            and series.as_of_date = same_weekday_medians.as_of_date

),

days_before as (

    select
        *,
        lag(as_of_date) over (
            partition by kind, segmentation, segment, feature
            order by as_of_date
        ) as date_before,
        lag(deviation) over (
            partition by kind, segmentation, segment, feature
            order by as_of_date
        ) as deviation_before
    from measured_deviations

),

-- A series that swings for weeks hides a change of today in what it usually deviates, but
-- from one day to the next it moves little: its step does not.
deviations as (

    select
        *,
        case
            when {{ days_between('date_before', 'as_of_date') }} <= 7 then deviation - deviation_before
        end as step
    from days_before

),

deviations_before as (

    select
        run_days.as_of_date,
        deviations.kind,
        deviations.segmentation,
        deviations.segment,
        deviations.feature,
        deviations.deviation,
        deviations.step,
        floor(({{ days_between('deviations.as_of_date', 'run_days.as_of_date') }} - 1) / 7) as weeks_before
    from run_days
    inner join deviations
        on
            run_days.as_of_date > deviations.as_of_date
            and {{ add_days('run_days.as_of_date', -usual) }} <= deviations.as_of_date

),

medians as (

    select
        as_of_date,
        kind,
        segmentation,
        segment,
        feature,
        median(deviation) as usual_deviation,
        median(step) as usual_step,
        cast(count(step) as double) as steps,
        cast(count(distinct weeks_before) as double) as weeks
    from deviations_before
    group by
        as_of_date,
        kind,
        segmentation,
        segment,
        feature
    having count(distinct weeks_before) >= {{ var('alert_minimum_weeks') }}

),

absolute_deviations as (

    select
        deviations_before.as_of_date,
        deviations_before.kind,
        deviations_before.segmentation,
        deviations_before.segment,
        deviations_before.feature,
        medians.usual_deviation,
        medians.usual_step,
        medians.steps,
        medians.weeks,
        median(abs(deviations_before.deviation - medians.usual_deviation)) as median_absolute,
        round(avg(abs(deviations_before.deviation - medians.usual_deviation)), 12) as mean_absolute,
        median(abs(deviations_before.step - medians.usual_step)) as median_absolute_step,
        round(avg(abs(deviations_before.step - medians.usual_step)), 12) as mean_absolute_step
    from deviations_before
    inner join medians
        on
            deviations_before.as_of_date = medians.as_of_date
            and deviations_before.kind = medians.kind
            and deviations_before.segmentation = medians.segmentation
            and deviations_before.segment = medians.segment
            and deviations_before.feature = medians.feature
    group by
        deviations_before.as_of_date,
        deviations_before.kind,
        deviations_before.segmentation,
        deviations_before.segment,
        deviations_before.feature,
        medians.usual_deviation,
        medians.usual_step,
        medians.steps,
        medians.weeks

),

-- 0.6745 is a normal variable's median absolute deviation, 1 / 1.253314 its mean absolute
-- deviation (Iglewicz and Hoaglin, How to detect and handle outliers, 1993). A series that
-- never moved is judged by what it cannot be judged finer than. Days near to each other
-- deviate alike, so the deviations of a week count as one; steps hang together less, and
-- count as two.
scaled_deviations as (

    select
        deviations.as_of_date,
        deviations.kind,
        deviations.segmentation,
        deviations.segment,
        deviations.feature,
        deviations.value as observed,
        greatest(deviations.usual_value, case when deviations.kind = 'size' then 1 else 0 end)
        * (1 + absolute_deviations.usual_deviation) as expected,
        absolute_deviations.usual_deviation,
        deviations.deviation - absolute_deviations.usual_deviation as change,
        deviations.step - absolute_deviations.usual_step as step_change,
        greatest(
            case
                when absolute_deviations.median_absolute > 0 then absolute_deviations.median_absolute / 0.6745
                else absolute_deviations.mean_absolute * 1.253314
            end,
            deviations.finest
        ) as scale,
        case
            when absolute_deviations.steps >= {{ var('alert_minimum_weeks') }}
                then
                    greatest(
                        case
                            when absolute_deviations.median_absolute_step > 0
                                then absolute_deviations.median_absolute_step / 0.6745
                            else absolute_deviations.mean_absolute_step * 1.253314
                        end,
                        deviations.finest
                    )
        end as step_scale,
        absolute_deviations.weeks - 1 as degrees,
        least(2 * (absolute_deviations.weeks - 1), absolute_deviations.steps - 1) as step_degrees
    from deviations
    inner join absolute_deviations
        on
            deviations.as_of_date = absolute_deviations.as_of_date
            and deviations.kind = absolute_deviations.kind
            and deviations.segmentation = absolute_deviations.segmentation
            and deviations.segment = absolute_deviations.segment
            and deviations.feature = absolute_deviations.feature
    where greatest(cast(deviations.customers as double), deviations.usual_value) >= {{ minimum_customers }}

),

scores as (

    select
        *,
        change / scale as score,
        step_change / step_scale as step_score
    from scaled_deviations

),

normal_scores as (

    select
        *,
        {{ student_z('score', 'degrees') }} as z,
        {{ student_z('step_score', 'step_degrees') }} as step_z
    from scores

),

-- Only a fall of the share explained is bad news.
score_p_values as (

    select
        *,
        case
            when kind = 'share_explained' then {{ normal_tail('(-z)') }}
            else 2 * {{ normal_tail('abs(z)') }}
        end as score_p_value,
        case
            when step_z is null then 1
            when kind = 'share_explained' then {{ normal_tail('(-step_z)') }}
            else 2 * {{ normal_tail('abs(step_z)') }}
        end as step_p_value
    from normal_scores

),

outgrown_scores as (

    select
        *,
        ({{ var('outgrown_rand_index') }} - adjusted_rand_index)
        / greatest(adjusted_rand_index_error, 0.000001) as score
    from fct_segmentation_quality
    where
        as_of_date >= {{ first_date() }}
        and adjusted_rand_index is not null

),

claim_limits as (

    select
        *,
        case when claim = 'mostly' then 0.5 else population_value end as claimed_limit,
        case when claim = 'below' then 1 else -1 end as breaking_side
    from fct_persona_daily
    where
        holds is not null
        and customers >= {{ minimum_customers }}

),

persona_scores as (

    select
        *,
        breaking_side * (segment_value - claimed_limit) / greatest(standard_error, 0.000001) as score
    from claim_limits

),

-- All tests of the day ----------------------------------------------------------------
tests as (

    select
        as_of_date,
        kind,
        segmentation,
        segment,
        feature,
        observed,
        expected,
        score,
        step_score,
        -- The smaller of two, which counts double (Bonferroni), and what it is of must matter.
        -- A step back to what is usual does not: it has to lead half as far from there.
        least(2 * least(score_p_value, step_p_value), 1) as p_value,
        case
            when step_p_value < score_p_value
                then
                    abs(step_score) > {{ var('alert_minimum_score') }} and abs(step_change) >= {{ minimum_change }}
                    and change * sign(step_change) >= {{ minimum_change }} / 2
            else abs(score) > {{ var('alert_minimum_score') }} and abs(change) >= {{ minimum_change }}
        end as is_material
    from score_p_values
    union all
    select
        as_of_date,
        'distribution' as kind,
        segmentation,
        segment,
        feature,
        psi as observed,
        critical_psi as expected,
        psi / critical_psi as score,
        cast(null as double) as step_score,
        p_value,
        is_drifted as is_material
    from fct_segment_drift
    where as_of_date >= {{ first_date() }}
    union all
    select
        as_of_date,
        'response_rate' as kind,
        segmentation,
        segment,
        'response_rate' as feature,
        response_rate as observed,
        response_rate_before as expected,
        response_rate / nullif(response_rate_before, 0) - 1 as score,
        cast(null as double) as step_score,
        p_value_of_fall as p_value,
        response_rate <= (1 - {{ minimum_change }}) * response_rate_before as is_material
    from fct_segment_response_rates
    where p_value_of_fall is not null
    union all
    select
        as_of_date,
        'outgrown' as kind,
        segmentation,
        '(all)' as segment,
        'adjusted_rand_index' as feature,
        adjusted_rand_index as observed,
        {{ var('outgrown_rand_index') }} as expected,
        score,
        cast(null as double) as step_score,
        {{ normal_tail('score') }} as p_value,
        adjusted_rand_index < {{ var('outgrown_rand_index') }} as is_material
    from outgrown_scores
    union all
    select
        as_of_date,
        'persona' as kind,
        segmentation,
        segment,
        feature,
        segment_value as observed,
        claimed_limit as expected,
        score,
        cast(null as double) as step_score,
        {{ normal_tail('score') }} as p_value,
        not holds as is_material
    from persona_scores

),

-- What would have been called ---------------------------------------------------------
tests_of_days as (

    select
        as_of_date,
        count(*) as tests
    from tests
    group by as_of_date

),

-- The score that makes a test the only alert of its day, whichever of the two it is of.
needed_normal_scores as (

    select
        scores.*,
        {{ normal_quantile(
            "(" ~ var('alert_false_discovery_rate')
            ~ " / (case when scores.kind = 'share_explained' then 2e0 else 4e0 end * tests_of_days.tests))"
        ) }} as needed_z
    from scores
    inner join tests_of_days
        on scores.as_of_date = tests_of_days.as_of_date

),

-- If the day before was as usual, the step is the change.
detectable_changes as (

    select
        as_of_date,
        kind,
        segmentation,
        segment,
        feature,
        greatest(
            least(
                scale * greatest({{ var('alert_minimum_score') }}, {{ student_t('needed_z', 'degrees') }}),
                step_scale * greatest({{ var('alert_minimum_score') }}, {{ student_t('needed_z', 'step_degrees') }})
            ),
            {{ minimum_change }}
        ) / nullif(1 + usual_deviation, 0) as detectable_change
    from needed_normal_scores

),

-- The alerts --------------------------------------------------------------------------
-- Benjamini and Hochberg (Journal of the Royal Statistical Society B 57, 1995): among the alerts of a day at most
-- vars: alert_false_discovery_rate is false, on average. Both among all tests and among those of a kind: else a few
-- distributions that have drifted for months would excuse a few false alarms about sizes every day.
ranked as (

    select
        *,
        count(*) over (partition by as_of_date) as tests,
        row_number() over (
            partition by as_of_date
            order by p_value, kind, segmentation, segment, feature
        ) as place,
        count(*) over (partition by as_of_date, kind) as tests_of_kind,
        row_number() over (
            partition by as_of_date, kind
            order by p_value, segmentation, segment, feature
        ) as place_in_kind
    from tests

),

adjusted as (

    select
        *,
        greatest(
            min(least(p_value * tests / place, 1)) over (
                partition by as_of_date
                order by place
                rows between current row and unbounded following
            ),
            min(least(p_value * tests_of_kind / place_in_kind, 1)) over (
                partition by as_of_date, kind
                order by place_in_kind
                rows between current row and unbounded following
            )
        ) as adjusted_p_value
    from ranked

)

select
    adjusted.as_of_date,
    adjusted.kind,
    adjusted.segmentation,
    adjusted.segment,
    adjusted.feature,
    round(cast(adjusted.observed as double), 6) as observed,
    round(cast(adjusted.expected as double), 6) as expected,
    -- Twice, so that a tie falls the same way whatever the last digit of a median was.
    round(round(adjusted.score, 9), 3) as score,
    round(round(adjusted.step_score, 9), 3) as step_score,
    adjusted.p_value,
    adjusted.adjusted_p_value,
    adjusted.tests,
    adjusted.is_material,
    adjusted.is_material and adjusted.adjusted_p_value <= {{ var('alert_false_discovery_rate') }} as is_alert,
    round(detectable_changes.detectable_change, 4) as detectable_change
from adjusted
left join detectable_changes
    on
        adjusted.as_of_date = detectable_changes.as_of_date
        and adjusted.kind = detectable_changes.kind
        and adjusted.segmentation = detectable_changes.segmentation
        and adjusted.segment = detectable_changes.segment
        and adjusted.feature = detectable_changes.feature
