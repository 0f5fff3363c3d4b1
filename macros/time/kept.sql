{#- The table of a later model as the previous run left it, for models that need it before
    it is built; none if there is none yet. Its schema is that of the calling model unless
    another is named. A ref would be a circle: that model depends on the caller. -#}
{% macro kept(name, schema=none) -%}
    {%- set path = {'schema': schema, 'identifier': name} if schema else {'identifier': name} -%}
    {{ return(load_cached_relation(this.incorporate(path=path)) if execute else none) }}
{%- endmacro %}
