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
{%- for segment in definition.segments -%}
        {%- do rows.append({
            'segmentation': sql_text(definition.name),
            'rule_version': sql_text(definition.rule_version),
            'segment': sql_text(segment.name),
            'label': sql_text(segment.label),
            'position': 'cast(' ~ segment.position ~ ' as bigint)',
            'is_default': segment.is_default | lower,
            'is_immediate': segment.is_immediate | lower,
            'rule': sql_text(segment.rule_json),
            'rule_text': sql_text(segment.rule_text),
            'description': sql_text(segment.description),
            'persona': sql_text(segment.persona),
            'owner': sql_text(segment.owner),
            'strategy_approach': sql_text(segment.strategy.get('approach')),
            'strategy_offer': sql_text(segment.strategy.get('offer')),
            'strategy_channels': sql_text(segment.strategy.get('channels', []) | join(', ')),
        }) -%}
{%- endfor -%}
{%- endfor -%}

{{ rows_of(rows, [
    'segmentation', 'rule_version', 'segment', 'label', 'position', 'is_default', 'is_immediate', 'rule', 'rule_text', 'description',
    'persona', 'owner', 'strategy_approach', 'strategy_offer', 'strategy_channels',
]) }}
