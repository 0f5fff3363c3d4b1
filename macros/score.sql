{#- 1 to 5: one more than the number of cut points strictly below the value. -#}
{% macro score(name, value) -%}
    cast(
        1
        {%- for percentile in [20, 40, 60, 80] %}
        + case when score_cut_points.{{ name }}_p{{ percentile }} < {{ value }} then 1 else 0 end
        {%- endfor %}
        as bigint
    )
{%- endmacro %}

{#- What each score is a score of, {name: SQL over the columns of a relation}. -#}
{% macro score_values(relation) -%}
    {{ return({
        'recency': '-' ~ relation ~ '.days_since_last_order',
        'frequency': relation ~ '.orders_365d',
        'monetary': relation ~ '.net_sales_365d',
    }) }}
{%- endmacro %}
