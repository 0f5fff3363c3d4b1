{#- The lower (sign '-') or upper ('+') bound of the 95 % confidence interval of a rate,
    after Wilson (Journal of the American Statistical Association 22, 1927): of all
    rates with which so many successes of so many trials would not be unlikely. Within
    0 and 1, for few trials too; null without trials. z is the 97.5th percentile of the
    normal distribution. Rounded to 6 decimals. -#}
{% macro wilson_bound(successes, trials, sign) -%}
    {%- set z = 1.959964 -%}
    {%- set rate = '(' ~ successes ~ ' / cast(' ~ trials ~ ' as double))' -%}
    case
        {%- if sign == '-' %}
        -- Exactly; the formula may give -0.
        when {{ trials }} > 0 and {{ successes }} = 0 then cast(0 as double)
        {%- endif %}
        when {{ trials }} > 0
            then round(
                (
                    {{ rate }} + {{ z ** 2 / 2 }} / {{ trials }}
                    {{ sign }} {{ z }} * sqrt(
                        {{ rate }} * (1 - {{ rate }}) / {{ trials }} + {{ z ** 2 / 4 }} / power({{ trials }}, 2)
                    )
                ) / (1 + {{ z ** 2 }} / {{ trials }}),
                6
            )
    end
{%- endmacro %}
