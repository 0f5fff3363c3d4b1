{#- The standard normal value that is as unlikely as a chi-squared value, as SQL: the
    cube root of chi-squared over its degrees of freedom is close to normal
    (Wilson and Hilferty, Proceedings of the National Academy of Sciences 17, 1931). -#}
{% macro chi_squared_z(value, degrees) -%}
    ((power({{ value }} / {{ degrees }}, 1e0 / 3) - (1 - 2 / (9.0 * {{ degrees }}))) / sqrt(2 / (9.0 * {{ degrees }})))
{%- endmacro %}

{#- The chi-squared value that is exceeded as rarely as a standard normal value, as SQL. -#}
{% macro chi_squared_value(z, degrees) -%}
    ({{ degrees }} * power(1 - 2 / (9.0 * {{ degrees }}) + {{ z }} * sqrt(2 / (9.0 * {{ degrees }})), 3))
{%- endmacro %}
