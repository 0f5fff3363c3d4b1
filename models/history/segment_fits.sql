{{ config(materialized='table') }}
{%- set features = known_features() if execute else {} -%}
{%- set scaled = [] -%}
{%- for definition in definitions() -%}
    {%- for clause in definition.clauses if feature_kind(features[clause.feature].data_type) == 'number' -%}
        {%- do scaled.append(clause.feature) -%}
    {%- endfor -%}
{%- endfor %}

with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}
    where as_of_date = {{ last_date() }}

),

segment_spells as (

    select * from {{ ref('segment_spells') }}
    where is_current

),

-- The robust unit of a feature: its interquartile range over that of a normal
-- distribution with standard deviation 1; 1 where half of the customers agree.
feature_scales as (

    select
        {%- for feature in scaled | unique | sort %}
        coalesce(nullif(({{ cut_point(feature, 75) }} - {{ cut_point(feature, 25) }}) / 1.349, 0), 1) as {{ feature }},
        {%- endfor %}
        as_of_date
    from customer_features
    group by as_of_date

),

{%- for definition in definitions() %}

{{ definition.name }}_rules as (
    {{ segment_fits_of(definition, features) }}

),

-- A trifle less than the best rule leaves, so that of equals a rule comes first.
{{ definition.name }}_fits as (
    {%- set rules = definition.segments | rejectattr('is_default') | list %}
    {%- set last = definition.segments[-1] %}

    select
        *
        {%- if rules %},
        1 - {{ 'greatest(' if rules | length > 1 }}
            {%- for segment in rules %}fit_{{ segment.position }}{{ ', ' if not loop.last }}{% endfor %}
            {{- ')' if rules | length > 1 }} - 0.0000000001 as fit_{{ last.position }}
        {%- endif %}
    from {{ definition.name }}_rules

),

{{ definition.name }}_others as (

    select
        segment_spells.customer_id,
        segment_spells.segment,
        {%- for segment in definition.segments %}
        {{ definition.name }}_fits.fit_{{ segment.position }},
        {%- endfor %}
        greatest(
            {%- for segment in definition.segments %}
            case when segment_spells.segment <> '{{ segment.name }}' then fit_{{ segment.position }} end,
            {%- endfor %}
            0
        ) as best_other_fit
    from segment_spells
    inner join {{ definition.name }}_fits
        on segment_spells.customer_id = {{ definition.name }}_fits.customer_id
    where segment_spells.segmentation = '{{ definition.name }}'

),
{%- endfor %}

fits as (
    {%- for definition in definitions() %}
    select
        customer_id,
        '{{ definition.name }}' as segmentation,
        case segment
            {%- for segment in definition.segments %}
            when '{{ segment.name }}' then fit_{{ segment.position }}
            {%- endfor %}
        end as fit,
        case
            {%- for segment in definition.segments %}
            when segment <> '{{ segment.name }}' and fit_{{ segment.position }} = best_other_fit then '{{ segment.name }}'
            {%- endfor %}
        end as nearest_segment
    from {{ definition.name }}_others
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        customer_id,
        segmentation,
        cast(null as double) as fit,
        segment as nearest_segment
    from segment_spells
    where false
    {%- endfor %}

)

select * from fits
