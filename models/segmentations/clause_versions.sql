{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget_current_versions() }}"
) }}
{%- set rows = [] -%}
{%- for definition in definitions() -%}
{%- for segment in definition.segments if segment.rule -%}
{%- set negated = negated_clauses_of(segment.rule) -%}
{%- for i in clauses_of(segment.rule) | unique | sort -%}
            {%- do rows.append({
                'segmentation': sql_text(definition.name),
                'rule_version': sql_text(definition.rule_version),
                'segment': sql_text(segment.name),
                'clause_bit': 'cast(' ~ 2 ** i ~ ' as bigint)',
                'clause_text': sql_text(('not ' if i in negated else '') ~ definition.clauses[i].text),
            }) -%}
{%- endfor -%}
{%- endfor -%}
{%- endfor -%}

{{ rows_of(rows, ['segmentation', 'rule_version', 'segment', 'clause_bit', 'clause_text']) }}
