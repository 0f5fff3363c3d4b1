{#- A customer's published amount, which is rounded to cents, as whole cents in a double: sums are
    exact up to 2^53 in any order, and faster than sums of decimals. -#}
{% macro cents(column) -%}
    round(cast({{ column }} as double) * 100)
{%- endmacro %}
