{{ config(tags=['weekly']) }}
with profile_days as (

    select * from {{ ref('profile_days') }}

),

profile_distributions as (

    select * from {{ ref('profile_distributions') }}

),

segments as (

    select * from profile_distributions
    where segmentation <> '(all)'

),

populations as (

    select * from profile_distributions
    where segmentation = '(all)'

),

-- The last digits of sums depend on the order of their parts, so means are rounded; those that are shown once more, so
-- that a tie falls the same way, too.
profiles as (

    select
        segments.segmentation,
        segments.segment,
        segments.feature,
        segments.customers,
        segments.customers_with_value,
        round(segments.mean, 9) as mean,
        segments.lower_quartile,
        segments.median,
        segments.upper_quartile,
        round(populations.mean, 9) as population_mean,
        round(populations.deviation, 9) as population_deviation,
        populations.lower_quartile as population_lower_quartile,
        populations.median as population_median,
        populations.upper_quartile as population_upper_quartile
    from segments
    inner join populations
        on segments.feature = populations.feature

),

compared as (

    select
        *,
        2 * customers_with_value < customers as is_mostly_missing,
        case when population_mean > 0 then round(100 * mean / population_mean, 2) end as mean_index,
        -- Where all customers are alike, to the digits that are shown, no segment differs.
        round(
            case
                when round(population_deviation, 6) = 0 then 0 * mean
                else (mean - population_mean) / population_deviation
            end, 6
        ) as standardised_difference
    from profiles

)

select
    profile_days.as_of_date,
    compared.segmentation,
    compared.segment,
    compared.feature,
    compared.customers,
    compared.customers_with_value,
    round(compared.mean, 6) as mean,
    compared.lower_quartile,
    compared.median,
    compared.upper_quartile,
    round(compared.population_mean, 6) as population_mean,
    round(compared.population_deviation, 6) as population_deviation,
    compared.population_lower_quartile,
    compared.population_median,
    compared.population_upper_quartile,
    compared.mean_index,
    compared.standardised_difference,
    row_number() over (
        partition by compared.segmentation, compared.segment
        -- A feature that most of the segment lacks says little of it.
        order by
            compared.is_mostly_missing asc,
            abs(compared.standardised_difference) desc nulls last,
            compared.feature asc
    ) as difference_rank
from compared
cross join profile_days
