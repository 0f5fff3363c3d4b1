{#- The smallest value of a group whose cumulative share is at least the
    percentile, as a double (what DuckDB calls quantile_disc). -#}
{% macro cut_point(value, percentile) -%}
    cast(percentile_disc({{ percentile / 100 }}) within group (order by {{ value }}) as double)
{%- endmacro %}
