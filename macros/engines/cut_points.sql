{#- cut_point for several percentiles of a group, as one list; quartile(list, 1) is the
    first. One aggregate keeps one copy of the values. -#}
{% macro cut_points(value, percentiles) -%}
    {{ return(adapter.dispatch('cut_points', 'tessera')(value, percentiles)) }}
{%- endmacro %}

{% macro default__cut_points(value, percentiles) -%}
    array({% for percentile in percentiles %}{{ cut_point(value, percentile) }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro duckdb__cut_points(value, percentiles) -%}
    quantile_disc({{ value }}, [{% for percentile in percentiles %}{{ percentile / 100 }}{{ ', ' if not loop.last }}{% endfor %}])
{%- endmacro %}
