{#- A select over customer_features, feature_scales and rule_cut_points: for each
    customer, the fit of every segment of a definition as fit_<position>. The fit
    is the squashed distance to the rule's nearest boundary, at least 0.5 exactly
    when the rule holds; that of the last segment is what the best rule leaves. -#}
{% macro segment_fits_of(definition, features) -%}
    {%- set rules = definition.segments | rejectattr('is_default') | list -%}
    select
        customer_features.customer_id
        {%- for segment in rules %},
        1 / (1 + exp(-least(greatest({{ rule_fit_sql(segment.rule, definition.clauses, features) }}, -30), 30)))
            as fit_{{ segment.position }}
        {%- endfor %}
        {%- if not rules %},
        cast(1 as double) as fit_1
        {%- endif %}
    from customer_features
    left join feature_scales
        on customer_features.as_of_date = feature_scales.as_of_date
    left join rule_cut_points
        on customer_features.as_of_date = rule_cut_points.as_of_date
{%- endmacro %}
