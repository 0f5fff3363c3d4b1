{#- The features of vars: drift_features, {name: feature as known_features gives it};
    all must be numbers. Empty while parsing. -#}
{% macro drift_features() %}
    {%- set found = {} -%}
    {%- if execute -%}
        {%- set features = known_features() -%}
        {%- for name in var('drift_features') -%}
            {%- if name not in features -%}
                {{ exceptions.raise_compiler_error("vars: drift_features names '" ~ name ~ "', which is not a feature.") }}
            {%- elif features[name].kind != 'number' -%}
                {{ exceptions.raise_compiler_error("vars: drift_features names '" ~ name ~ "', which is not a number but "
                    ~ features[name].data_type ~ ". Take it out.") }}
            {%- endif -%}
            {%- do found.update({name: features[name]}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{% endmacro %}
