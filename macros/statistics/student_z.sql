{#- The standard normal value that is as unlikely as a value of Student's t, as SQL
    (Wallace, Bounds on normal approximations to Student's and the chi-square
    distributions, Annals of Mathematical Statistics 30, 1959). -#}
{% macro student_z(t, degrees) -%}
    (sign({{ t }}) * (8 * {{ degrees }} + 1) / (8 * {{ degrees }} + 3.0)
    * sqrt({{ degrees }} * ln(1 + {{ t }} * {{ t }} / {{ degrees }})))
{%- endmacro %}
