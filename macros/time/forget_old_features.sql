{#- Removes what a table says of months that lie more than vars: features_kept_days
    before the run. Whole months only: the state of a day is read from the key frame of
    its month on. -#}
{% macro forget_old_features(column) -%}
    {%- if is_incremental() and var('features_kept_days') is not none -%}
        {%- set oldest = run_window().first - modules.datetime.timedelta(days=1 + var('features_kept_days')) -%}
        delete from {{ this }} where {{ column }} < {{ date_literal(oldest.replace(day=1)) }}
    {%- endif -%}
{%- endmacro %}
