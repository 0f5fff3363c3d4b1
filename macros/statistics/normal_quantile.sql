{#- The standard normal value that is exceeded with a probability below one half, as
    SQL, to 0.00045 (Abramowitz and Stegun, formula 26.2.23). -#}
{% macro normal_quantile(probability) -%}
    {%- set t = 'sqrt(-2 * ln(' ~ probability ~ '))' -%}
    ({{ t }} - (2.515517 + 0.802853 * {{ t }} + 0.010328 * {{ t }} * {{ t }})
    / (1 + 1.432788 * {{ t }} + 0.189269 * {{ t }} * {{ t }} + 0.001308 * {{ t }} * {{ t }} * {{ t }}))
{%- endmacro %}
