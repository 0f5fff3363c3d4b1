{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}
{%- set features = known_features() if execute else {} %}
{%- set numbers = numeric_features() if execute else [] %}

-- The first day of each month that the run has.
with first_days as (

    select min(run_days.as_of_date) as as_of_date
    from (
        {{ run_days() }}
    ) as run_days
    group by {{ month_of('run_days.as_of_date') }}

),

{%- if is_incremental() %}

months_kept as (

    select
        {{ month_of('as_of_date') }} as month_start,
        count(*) as features
    from {{ this }}
    where feature in ('{{ numbers | join("', '") }}')
    group by {{ month_of('as_of_date') }}

),
{%- endif %}

-- Most days of a month have its units already, and nothing is read.
days_to_measure as (

    select first_days.as_of_date
    from first_days
    {%- if is_incremental() %}
    left join months_kept
        on {{ month_of('first_days.as_of_date') }} = months_kept.month_start
    where coalesce(months_kept.features, 0) < {{ numbers | length }}
    {%- endif %}

),

measured as (

    select
        {%- for name in numbers %}
        {{ cut_points(features[name].value, [25, 75]) }} as {{ name }},
        {%- endfor %}
        customer_features.as_of_date
    from {{ ref('customer_features') }} as customer_features
    inner join days_to_measure
        on customer_features.as_of_date = days_to_measure.as_of_date
    group by customer_features.as_of_date

),

units as (
    {%- for name in numbers %}
    select
        as_of_date,
        '{{ name }}' as feature,
        nullif(cast({{ quartile(name, 2) }} - {{ quartile(name, 1) }} as double) / 1.349, 0) as unit
    from measured
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

all_units as (

    select
        units.as_of_date,
        units.feature,
        units.unit,
        true as is_new
    from units
    {%- if is_incremental() %}
    left join {{ this }} as kept
        on
            {{ month_of('units.as_of_date') }} = {{ month_of('kept.as_of_date') }}
            and units.feature = kept.feature
    where kept.feature is null
    union all
    select
        as_of_date,
        feature,
        unit,
        false as is_new
    from {{ this }}
    {%- endif %}

),

counted as (

    select
        *,
        count(unit) over (partition by feature order by as_of_date) as units_known
    from all_units

)

-- Where half of the customers agree on the day, the month before has the unit.
select
    as_of_date,
    feature,
    unit
from (
    select
        as_of_date,
        feature,
        is_new,
        coalesce(max(unit) over (partition by feature, units_known), 1) as unit
    from counted
) as filled
where is_new
