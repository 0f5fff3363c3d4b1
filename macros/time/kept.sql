{#- The table of a later model of the same schema as the run before left it, for
    what has to be known before that model is built; none where there is none yet.
    A ref would be a circle: that model depends on the one that asks. -#}
{% macro kept(name) -%}
    {{ return(load_cached_relation(this.incorporate(path={'identifier': name})) if execute else none) }}
{%- endmacro %}
