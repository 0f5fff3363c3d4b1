{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget_current_versions() }}"
) }}
{%- set rows = [] -%}
{%- for definition in definitions() -%}
{%- for segment in definition.segments -%}
{%- for clause in segment.clauses -%}
            {%- do rows.append({
                'segmentation': sql_text(definition.name),
                'rule_version': sql_text(definition.rule_version),
                'segment': sql_text(segment.name),
                'clause_bit': 'cast(' ~ clause.bit ~ ' as bigint)',
                'clause_text': sql_text(clause.text),
            }) -%}
{%- endfor -%}
{%- endfor -%}
{%- endfor -%}

{{ rows_of(rows, ['segmentation', 'rule_version', 'segment', 'clause_bit', 'clause_text']) }}
