{#- The end of a query whose common table expression `tests` holds every test of some days:
    adjusts their p-values and says which are alerts. Benjamini and Hochberg (Journal of the
    Royal Statistical Society B 57, 1995): among the alerts of a day at most vars:
    alert_false_discovery_rate is false, on average. Both among all tests and among those of
    its kind: else a few score distributions that have drifted for months would excuse a few
    false alarms about sizes every day. -#}
{% macro judged_tests() -%}
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
    as_of_date,
    kind,
    segmentation,
    segment,
    feature,
    round(cast(observed as double), 6) as observed,
    round(cast(expected as double), 6) as expected,
    round(score, 3) as score,
    round(step_score, 3) as step_score,
    p_value,
    adjusted_p_value,
    tests,
    is_material,
    is_material and adjusted_p_value <= {{ var('alert_false_discovery_rate') }} as is_alert
from adjusted
{%- endmacro %}
