{#- Where a percentile lies among its feature's values, as a text. -#}
{% macro percentile_position(cut_point, lowest, highest) -%}
    case
        when {{ lowest }} is null then 'no values'
        when {{ cut_point }} = {{ lowest }} then 'at the minimum'
        when {{ cut_point }} = {{ highest }} then 'at the maximum'
        else 'between'
    end
{%- endmacro %}
