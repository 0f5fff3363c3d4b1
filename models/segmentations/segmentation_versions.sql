{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook=[
        {"sql": "{{ add_new_columns() }}", "transaction": false},
        "{{ forget_current_versions() }}",
    ]
) }}
{%- set rows = [] -%}
{%- for definition in definitions() -%}
    {%- do rows.append({
        'segmentation': sql_text(definition.name),
        'rule_version': sql_text(definition.rule_version),
        'label': sql_text(definition.label),
        'description': sql_text(definition.description),
        'owner': sql_text(definition.owner),
        'status': sql_text(definition.status),
        'challenger_of': sql_text(definition.challenger_of),
        'confirm_days': 'cast(' ~ definition.confirm_days ~ ' as bigint)',
        'cut_points_frozen_on': "cast('" ~ definition.frozen_on ~ "' as date)" if definition.frozen_on else 'cast(null as date)',
        'segment_count': 'cast(' ~ definition.segments | length ~ ' as bigint)',
    }) -%}
{%- endfor -%}

{{ rows_of(rows, [
    'segmentation', 'rule_version', 'label', 'description', 'owner',
    'status', 'challenger_of', 'confirm_days', 'cut_points_frozen_on', 'segment_count',
]) }}
