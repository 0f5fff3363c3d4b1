{%- set features = known_features() %}
{%- set percentiles = percentiles_in_rules() %}
{%- set columns = ['feature', 'percentile', 'cut_point', 'lowest', 'highest'] %}

with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

),

ranges as (
    {%- for feature, percentile in percentiles %}
    select
        {{ sql_text(feature) }} as feature,
        {{ sql_text('p%02d' % percentile) }} as percentile,
        {{ cut_point(features[feature].value, percentile) }} as cut_point,
        min(cast({{ features[feature].value }} as double)) as lowest,
        max(cast({{ features[feature].value }} as double)) as highest
    from customer_features
    {{ 'union all' if not loop.last }}
    {%- else %}
    {{ rows_of([], columns) }}
    {%- endfor %}

)

select
    {{ columns | join(',\n    ') }},
    {{ percentile_position('cut_point', 'lowest', 'highest') }} as position
from ranges
