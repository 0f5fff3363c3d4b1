{#- The names of the active segmentations, which readers find as columns of dim_customers. Challengers run beside
    them. -#}
{% macro active_segmentations() %}
    {{ return(definitions() | selectattr('status', 'equalto', 'active') | map(attribute='name') | list) }}
{% endmacro %}
