{#- Removes from a catalogue the rule versions that are in force, so that the
    model appends them again with today's texts. -#}
{% macro forget_current_versions() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where
            false
            {%- for definition in definitions() %}
            or (segmentation = {{ sql_text(definition.name) }} and rule_version = {{ sql_text(definition.rule_version) }})
            {%- endfor %}
    {%- endif -%}
{%- endmacro %}
