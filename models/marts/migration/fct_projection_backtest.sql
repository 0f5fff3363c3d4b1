-- Projections whose day has come, beside the guess that no size changes.
with fct_segment_projections as (

    select * from {{ ref('fct_segment_projections') }}
    where actual_customers is not null

),

with_all as (

    select
        segmentation,
        segment,
        months_ahead,
        projected_from,
        actual_customers,
        abs(projected_customers - actual_customers) as projection_error,
        abs(customers_at_start - actual_customers) as no_change_error
    from fct_segment_projections
    union all
    select
        segmentation,
        '(all)' as segment,
        months_ahead,
        projected_from,
        actual_customers,
        abs(projected_customers - actual_customers) as projection_error,
        abs(customers_at_start - actual_customers) as no_change_error
    from fct_segment_projections

),

-- Rounded, because sums of fractions differ in their last digits with the order of their parts.
errors as (

    select
        segmentation,
        segment,
        months_ahead,
        count(distinct projected_from) as projections,
        sum(actual_customers) as actual_customers,
        round(sum(projection_error), 2) as projection_error,
        sum(no_change_error) as no_change_error,
        avg(projection_error / nullif(actual_customers, 0)) as projection_mape,
        avg(cast(no_change_error as double) / nullif(actual_customers, 0)) as no_change_mape
    from with_all
    group by
        segmentation,
        segment,
        months_ahead

)

select
    {{ last_date() }} as as_of_date,
    segmentation,
    segment,
    months_ahead,
    projections,
    round(projection_error / nullif(cast(actual_customers as double), 0), 6) as weighted_error,
    round(no_change_error / nullif(cast(actual_customers as double), 0), 6) as no_change_weighted_error,
    round(projection_mape, 6) as mean_percentage_error,
    round(no_change_mape, 6) as no_change_mean_percentage_error,
    projection_error < no_change_error as is_better_than_no_change
from errors
