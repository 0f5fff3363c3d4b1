{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('baseline_date') }}"
) }}
-- depends_on: {{ ref('segment_entries') }}, {{ ref('customer_features_history') }}
{%- set features = drift_features() -%}
{%- set deciles = range(10, 100, 10) -%}
{#- A day before the history has no segments to take a baseline from. -#}
{%- set fixed_date = (var('drift_baseline_date') or '') | string -%}
{%- set fixed_date = fixed_date if first_kept_day() <= fixed_date <= run_window().last | string else none -%}
{%- set is_before_run = fixed_date and fixed_date < run_window().first | string %}

with run_days as (
    {{ run_days() }}

),

-- The days of the run and the day before them, and the fixed day where it is an earlier one.
customer_features as (

    select * from {{ ref('customer_features') }}
    {%- if is_before_run %}
    union all
    select * from {{ ref('customer_features_history') }}
    where
        as_of_date = cast('{{ fixed_date }}' as date)
        and as_of_date < {{ first_date(-1) }}
    {%- endif %}

),

segmentation_days as (

    select * from {{ ref('segmentation_days') }}

),

{% if is_before_run -%}
-- Nothing is looked up where the fixed day's baseline is kept already.
entries_until_fixed_date as (

    select
        *,
        row_number() over (
            partition by customer_id, segmentation
            order by entered_on desc
        ) as entries_since
    from {{ ref('segment_entries') }}
    where
        entered_on <= cast('{{ fixed_date }}' as date)
        {%- if is_incremental() %}
        and not exists (select 1 from {{ this }} where baseline_date = cast('{{ fixed_date }}' as date))
        {%- endif %}

),

{% endif -%}
spells as (

    select
        customer_id,
        segmentation,
        segment,
        greatest(valid_from, {{ first_date() }}) as valid_from,
        valid_to
    from {{ ref('recent_spells') }}
    {%- if is_before_run %}
    union all
    select
        customer_id,
        segmentation,
        segment,
        cast('{{ fixed_date }}' as date) as valid_from,
        {{ add_days("cast('" ~ fixed_date ~ "' as date)", 1) }} as valid_to
    from entries_until_fixed_date
    where entries_since = 1
    {%- endif %}

),

active_spells as (

    select *
    from spells
    where
        segment <> '(left)'
        and segmentation in {{ sql_texts(active_segmentations()) }}

),

features as (
    {%- for feature in features %}
    select {{ sql_text(feature) }} as feature
    {{ 'union all' if not loop.last }}
    {%- else %}
    select cast(null as {{ dbt.type_string() }}) as feature
    where false
    {%- endfor %}

),

possible_days as (

    select as_of_date from run_days
    {%- if fixed_date %}
        union
        select cast('{{ fixed_date }}' as date) as as_of_date
    {%- endif %}

),

large_segments as (

    select
        possible_days.as_of_date,
        active_spells.segmentation,
        active_spells.segment
    from possible_days
    inner join active_spells
        on
            possible_days.as_of_date >= active_spells.valid_from
            and possible_days.as_of_date < active_spells.valid_to
    group by
        possible_days.as_of_date,
        active_spells.segmentation,
        active_spells.segment
    having count(*) >= {{ var('alert_minimum_customers') }}

),

possible_baselines as (

    select
        large_segments.as_of_date,
        large_segments.segmentation,
        segmentation_days.rule_version,
        large_segments.segment,
        features.feature
    from large_segments
    inner join segmentation_days
        on
            large_segments.as_of_date = segmentation_days.as_of_date
            and large_segments.segmentation = segmentation_days.segmentation
    cross join features

),

-- The first day on which the segment is large enough, and the day that is fixed.
new_baselines as (

    select
        segmentation,
        rule_version,
        segment,
        feature,
        min(as_of_date) as baseline_date
    from possible_baselines
    where as_of_date >= {{ first_date() }}
    {%- if is_incremental() %}
        and not exists (
            select 1
            from {{ this }} as kept
            where
                possible_baselines.segmentation = kept.segmentation
                and possible_baselines.rule_version = kept.rule_version
                and possible_baselines.segment = kept.segment
                and possible_baselines.feature = kept.feature
        )
    {%- endif %}
    group by
        segmentation,
        rule_version,
        segment,
        feature
    {%- if fixed_date %}
        union
        select
            segmentation,
            rule_version,
            segment,
            feature,
            as_of_date as baseline_date
        from possible_baselines
        where
            as_of_date = cast('{{ fixed_date }}' as date)
            {%- if is_incremental() %}
            and not exists (
                select 1
                from {{ this }} as kept
                where
                    possible_baselines.segmentation = kept.segmentation
                    and possible_baselines.rule_version = kept.rule_version
                    and possible_baselines.segment = kept.segment
                    and possible_baselines.feature = kept.feature
                    and possible_baselines.as_of_date = kept.baseline_date
            )
            {%- endif %}
    {%- endif %}

),

members as (

    select
        new_segments.segmentation,
        new_segments.rule_version,
        new_segments.segment,
        {%- for feature, known in features.items() %}
        cast({{ known.value }} as double) as {{ feature }},
        {%- endfor %}
        new_segments.baseline_date
    from (
        select distinct
            segmentation,
            rule_version,
            segment,
            baseline_date
        from new_baselines
    ) as new_segments
    inner join active_spells
        on
            new_segments.segmentation = active_spells.segmentation
            and new_segments.segment = active_spells.segment
            and new_segments.baseline_date >= active_spells.valid_from
            and new_segments.baseline_date < active_spells.valid_to
    inner join customer_features
        on
            active_spells.customer_id = customer_features.customer_id
            and new_segments.baseline_date = customer_features.as_of_date

),

-- Wide: all features in one pass, and the values of each are kept once for its nine deciles.
deciles as (

    select
        {%- for feature in features %}
        {{ cut_points(feature, deciles) }} as {{ feature }}_deciles,
        -- Twice, so that a tie falls the same way in whatever order the sum was made.
        round(round(avg({{ feature }}), 9), 6) as {{ feature }}_mean,
        count({{ feature }}) as {{ feature }}_known,
        {%- endfor %}
        segmentation,
        rule_version,
        segment,
        baseline_date,
        count(*) as customers
    from members
    group by
        segmentation,
        rule_version,
        segment,
        baseline_date

),

counted as (

    select
        {%- for feature in features %}
        {%- for decile in deciles %}
        count(
            case when members.{{ feature }} <= {{ quartile('deciles.' ~ feature ~ '_deciles', loop.index) }} then 1 end
        ) as {{ feature }}_at_most_{{ decile }},
        {%- endfor %}
        {%- endfor %}
        members.segmentation,
        members.rule_version,
        members.segment,
        members.baseline_date
    from members
    inner join deciles
        on
            members.segmentation = deciles.segmentation
            and members.rule_version = deciles.rule_version
            and members.segment = deciles.segment
            and members.baseline_date = deciles.baseline_date
    group by
        members.segmentation,
        members.rule_version,
        members.segment,
        members.baseline_date

),

-- Long: a row per feature that misses a baseline; others of the same segment may have theirs.
distributions as (
    {%- for feature in features %}
    select
        new_baselines.*,
        deciles.{{ feature }}_mean as mean,
        {%- for decile in deciles %}
        cast({{ quartile('deciles.' ~ feature ~ '_deciles', loop.index) }} as double) as p{{ decile }},
        counted.{{ feature }}_at_most_{{ decile }} as at_most_{{ decile }},
        {%- endfor %}
        deciles.{{ feature }}_known as known,
        deciles.customers - deciles.{{ feature }}_known as missing
    from new_baselines
    inner join deciles
        on
            new_baselines.segmentation = deciles.segmentation
            and new_baselines.rule_version = deciles.rule_version
            and new_baselines.segment = deciles.segment
            and new_baselines.baseline_date = deciles.baseline_date
    inner join counted
        on
            new_baselines.segmentation = counted.segmentation
            and new_baselines.rule_version = counted.rule_version
            and new_baselines.segment = counted.segment
            and new_baselines.baseline_date = counted.baseline_date
    where new_baselines.feature = {{ sql_text(feature) }}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        *,
        cast(null as double) as mean,
        {%- for decile in deciles %}
        cast(null as double) as p{{ decile }},
        0 as at_most_{{ decile }},
        {%- endfor %}
        0 as known,
        0 as missing
    from new_baselines
    {%- endfor %}

),

-- Bin 0 is of missing values, 1 to 10 are (cut point, next cut point].
bins as (
    {%- for bin in range(11) %}
    select {{ bin }} as bin
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select
    distributions.segmentation,
    distributions.rule_version,
    distributions.segment,
    distributions.feature,
    distributions.baseline_date,
    cast(bins.bin as bigint) as bin,
    case bins.bin
        {%- for decile in deciles %}
        when {{ decile // 10 }} then distributions.p{{ decile }}
        {%- endfor %}
    end as upper_bound,
    cast(
        case bins.bin
            when 0 then distributions.missing
            when 1 then distributions.at_most_10
            {%- for decile in deciles[1:] %}
            when {{ decile // 10 }} then distributions.at_most_{{ decile }} - distributions.at_most_{{ decile - 10 }}
            {%- endfor %}
            when 10 then distributions.known - distributions.at_most_90
        end as bigint
    ) as customers,
    distributions.mean as baseline_mean
from distributions
-- One pass for all bins: engines that write a CTE into each place that reads it would work out all deciles for each.
cross join bins
