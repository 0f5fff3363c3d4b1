{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}",
    post_hook="{{ forget_old_tests() }}"
) }}
{%- set features = drift_features() -%}
{%- set deciles = range(10, 100, 10) %}

with run_days as (
    {{ run_days() }}

),

segmentation_days as (

    select * from {{ ref('segmentation_days') }}

),

drift_baselines as (

    select * from {{ ref('drift_baselines') }}

),

fct_segment_spells as (

    select * from {{ ref('fct_segment_spells') }}
    where
        valid_from <= {{ last_date() }}
        and valid_to > {{ first_date() }}
        and segmentation in {{ sql_texts(active_segmentations()) }}

),

customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

-- Counted from a Monday, so that every seventh day is one.
judged_days as (

    select as_of_date
    from run_days
    where mod({{ days_between("cast('2001-01-01' as date)", 'as_of_date') }}, {{ var('drift_every_days') }}) = 0

),

-- The newest baseline of the rules in force, up to the day.
baselines_in_force as (

    select
        judged_days.as_of_date,
        drift_baselines.segmentation,
        drift_baselines.rule_version,
        drift_baselines.segment,
        drift_baselines.feature,
        max(drift_baselines.baseline_date) as baseline_date
    from judged_days
    inner join segmentation_days
        on judged_days.as_of_date = segmentation_days.as_of_date
    inner join drift_baselines
        on
            segmentation_days.segmentation = drift_baselines.segmentation
            and segmentation_days.rule_version = drift_baselines.rule_version
            and judged_days.as_of_date >= drift_baselines.baseline_date
    where drift_baselines.bin = 0
    group by
        judged_days.as_of_date,
        drift_baselines.segmentation,
        drift_baselines.rule_version,
        drift_baselines.segment,
        drift_baselines.feature

),

baselines as (

    select
        baselines_in_force.as_of_date,
        drift_baselines.*
    from baselines_in_force
    inner join drift_baselines
        on
            baselines_in_force.segmentation = drift_baselines.segmentation
            and baselines_in_force.rule_version = drift_baselines.rule_version
            and baselines_in_force.segment = drift_baselines.segment
            and baselines_in_force.feature = drift_baselines.feature
            and baselines_in_force.baseline_date = drift_baselines.baseline_date

),

-- All cut points of a segment in one row, so that a customer meets them in one join, and a
-- number for the row, which is a quicker key than three columns.
cut_points as (

    select
        {%- for feature in features %}
        {%- for decile in deciles %}
        max(case when feature = {{ sql_text(feature) }} and bin = {{ decile // 10 }} then upper_bound end)
            as {{ feature }}_p{{ decile }},
        {%- endfor %}
        {%- endfor %}
        as_of_date,
        segmentation,
        segment,
        row_number() over (order by as_of_date, segmentation, segment) as segment_day
    from baselines
    group by
        as_of_date,
        segmentation,
        segment

),

-- Segments without a baseline drop out later: a left join keeps customers from being
-- joined to cut points before it is known which segment they are in.
binned as (

    select
        {%- for feature, known in features.items() %}
        cast({{ known.value }} as double) as {{ feature }},
        case
            when {{ known.value }} is null then 0
            {%- for decile in deciles %}
            when {{ known.value }} <= cut_points.{{ feature }}_p{{ decile }} then {{ decile // 10 }}
            {%- endfor %}
            else 10
        end as {{ feature }}_bin,
        {%- endfor %}
        cut_points.segment_day
    from customer_features
    inner join fct_segment_spells
        on
            customer_features.customer_id = fct_segment_spells.customer_id
            and customer_features.as_of_date >= fct_segment_spells.valid_from
            and customer_features.as_of_date < fct_segment_spells.valid_to
    left join cut_points
        on
            customer_features.as_of_date = cut_points.as_of_date
            and fct_segment_spells.segmentation = cut_points.segmentation
            and fct_segment_spells.segment = cut_points.segment

),

segment_day_counts as (
    {%- for feature in features %}
    select
        segment_day,
        {{ sql_text(feature) }} as feature,
        {{ feature }}_bin as bin,
        count(*) as customers,
        sum({{ feature }}) as total
    from binned
    group by
        segment_day,
        {{ feature }}_bin
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        segment_day,
        cast(null as {{ dbt.type_string() }}) as feature,
        0 as bin,
        cast(0 as bigint) as customers,
        cast(0 as double) as total
    from binned
    where false
    {%- endfor %}

),

counts as (

    select
        cut_points.as_of_date,
        cut_points.segmentation,
        cut_points.segment,
        segment_day_counts.feature,
        segment_day_counts.bin,
        segment_day_counts.customers,
        segment_day_counts.total
    from segment_day_counts
    inner join cut_points
        on segment_day_counts.segment_day = cut_points.segment_day

),

-- A bin that is empty then and now says nothing.
compared as (

    select
        baselines.as_of_date,
        baselines.segmentation,
        baselines.segment,
        baselines.feature,
        baselines.rule_version,
        baselines.baseline_date,
        baselines.baseline_mean,
        baselines.bin,
        baselines.customers as baseline_customers,
        coalesce(counts.customers, 0) as customers,
        counts.total
    from baselines
    left join counts
        on
            baselines.as_of_date = counts.as_of_date
            and baselines.segmentation = counts.segmentation
            and baselines.segment = counts.segment
            and baselines.feature = counts.feature
            and baselines.bin = counts.bin
    where baselines.customers > 0 or counts.customers > 0

),

totals as (

    select
        as_of_date,
        segmentation,
        segment,
        feature,
        count(*) as bins,
        cast(sum(baseline_customers) as bigint) as baseline_customers,
        cast(sum(customers) as bigint) as customers,
        sum(total) / nullif(cast(sum(case when bin > 0 then customers end) as double), 0) as mean
    from compared
    group by
        as_of_date,
        segmentation,
        segment,
        feature

),

-- Half a customer more in every bin, so that an empty one does not divide by zero. In doubles: other engines round the
-- quotient of two decimals, and then even the second digit of psi is wrong.
bin_shares as (

    select
        compared.*,
        totals.bins,
        totals.baseline_customers as all_baseline_customers,
        totals.customers as all_customers,
        totals.mean,
        (cast(compared.baseline_customers as double) + 0.5)
        / (cast(totals.baseline_customers as double) + 0.5 * totals.bins) as baseline_share,
        (cast(compared.customers as double) + 0.5)
        / (cast(totals.customers as double) + 0.5 * totals.bins) as bin_share
    from compared
    inner join totals
        on
            compared.as_of_date = totals.as_of_date
            and compared.segmentation = totals.segmentation
            and compared.segment = totals.segment
            and compared.feature = totals.feature

),

-- Without a change, psi / (1/n + 1/m) is chi-squared with a degree less than there are
-- bins (Yurdakul, Statistical properties of population stability index, Western
-- Michigan University 2018).
indices as (

    select
        as_of_date,
        segmentation,
        segment,
        feature,
        rule_version,
        baseline_date,
        all_baseline_customers as baseline_customers,
        all_customers as customers,
        bins,
        cast(bins - 1 as double) as degrees,
        1 / cast(all_baseline_customers as double) + 1 / cast(all_customers as double) as noise,
        baseline_mean,
        -- Twice, so that a tie falls the same way in whatever order the sum was made.
        round(round(mean, 9), 6) as mean,
        round(sum((bin_share - baseline_share) * ln(bin_share / baseline_share)), 9) as psi
    from bin_shares
    where
        all_customers >= {{ var('alert_minimum_customers') }}
        and bins > 1
    group by
        as_of_date,
        segmentation,
        segment,
        feature,
        rule_version,
        baseline_date,
        all_baseline_customers,
        all_customers,
        bins,
        baseline_mean,
        mean

),

scored as (

    select
        *,
        {{ chi_squared_z('(psi / noise)', 'degrees') }} as z,
        noise * {{ chi_squared_value(normal_quantile(var('alert_false_discovery_rate')), 'degrees') }} as critical_psi
    from indices

)

select
    as_of_date,
    segmentation,
    segment,
    feature,
    rule_version,
    baseline_date,
    baseline_customers,
    customers,
    bins,
    baseline_mean,
    mean,
    round(psi, 6) as psi,
    round(critical_psi, 6) as critical_psi,
    {{ normal_tail('z') }} as p_value,
    psi > {{ var('alert_minimum_psi') }} and psi > critical_psi as is_drifted
from scored
