{#- Amounts and units are counted in whole ten-thousandths, in doubles: sums of them are exact in any order, up to
    2^53 (900 billion whole ones), and faster than sums of decimals. They become amounts again, and are rounded to
    cents, once, at the end. -#}

{#- An amount of the currency, or a number of units, as whole ten-thousandths. -#}
{% macro exact(column) -%}
    round(cast({{ column }} as double) * 10000)
{%- endmacro %}

{#- Ten-thousandths as a number: the double nearest to the exact value. -#}
{% macro from_exact(sum) -%}
    {{ sum }} / 10000
{%- endmacro %}

{#- Ten-thousandths as whole cents. Half a cent is rounded away from zero: it is exact before it is rounded. -#}
{% macro money(sum) -%}
    cast(round({{ sum }} / 100) / 100 as decimal(18, 2))
{%- endmacro %}
