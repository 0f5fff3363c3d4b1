{#- The segmentations whose history is kept, those first that others build on: {name, label, description, owner,
    status, challenger_of, confirm_days, frozen_on, builds_on, asked, rule_version, joins, percentiles, held_bits,
    segments}, as macros/python/rules/compiled.py writes them. -#}
{% macro definitions() %}
    {{ return(compiled().segmentations) }}
{% endmacro %}

{#- Their names. -#}
{% macro segmentations() %}
    {{ return(definitions() | map(attribute='name') | list) }}
{% endmacro %}
