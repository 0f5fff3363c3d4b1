{#- The table of a later model as the run before left it, for what has to be known before
    that model is built; none where there is none yet. It is of the schema of the model
    that asks unless another is named. A ref would be a circle: that model depends on the
    one that asks. -#}
{% macro kept(name, schema=none) -%}
    {%- set path = {'schema': schema, 'identifier': name} if schema else {'identifier': name} -%}
    {{ return(load_cached_relation(this.incorporate(path=path)) if execute else none) }}
{%- endmacro %}
