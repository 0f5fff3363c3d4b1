{#- A decimal amount as whole cents in a double: sums of them are exact up to
    2^53 in any order, and faster than sums of decimals. -#}
{% macro cents(column) -%}
    round(cast({{ column }} as double) * 100)
{%- endmacro %}
