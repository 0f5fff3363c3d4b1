{#- The standard normal value that is as unlikely as a value of Student's t, as SQL
    (Wallace, Bounds on normal approximations to Student's and the chi-square
    distributions, Annals of Mathematical Statistics 30, 1959). -#}
{% macro student_z(t, degrees) -%}
    (sign({{ t }}) * (8 * {{ degrees }} + 1) / (8 * {{ degrees }} + 3e0)
    * sqrt({{ degrees }} * ln(1 + {{ t }} * {{ t }} / {{ degrees }})))
{%- endmacro %}

{#- The other way round: the value of Student's t that is as unlikely as a standard
    normal value above 0. -#}
{% macro student_t(z, degrees) -%}
    sqrt({{ degrees }} * (exp(
        {{ z }} * (8 * {{ degrees }} + 3e0) / (8 * {{ degrees }} + 1)
        * {{ z }} * (8 * {{ degrees }} + 3e0) / (8 * {{ degrees }} + 1) / {{ degrees }}
    ) - 1))
{%- endmacro %}
