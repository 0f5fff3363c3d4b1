{#- The probability that a standard normal value exceeds z, as SQL. By the rational
    Chebyshev approximation of erfc in Press et al., Numerical Recipes, chapter 6.2,
    whose relative error is below 1.2e-7 everywhere, so that the far tails, which
    false discovery rates live on, are right as well. -#}
{% macro normal_tail(z) -%}
    {%- set x = '(abs(' ~ z ~ ') / sqrt(2.0))' -%}
    {%- set t = '(1 / (1 + ' ~ x ~ ' / 2))' -%}
    {%- set coefficients = [
        0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
    ] -%}
    {%- set polynomial = namespace(sql='0.0') -%}
    {%- for coefficient in coefficients -%}
        {%- set polynomial.sql = '(' ~ coefficient ~ ' + ' ~ t ~ ' * ' ~ polynomial.sql ~ ')' -%}
    {%- endfor -%}
    {%- set tail = '(' ~ t ~ ' * exp(-' ~ x ~ ' * ' ~ x ~ ' - 1.26551223 + ' ~ t ~ ' * ' ~ polynomial.sql ~ ') / 2)' -%}
    (case when {{ z }} >= 0 then {{ tail }} else 1 - {{ tail }} end)
{%- endmacro %}
