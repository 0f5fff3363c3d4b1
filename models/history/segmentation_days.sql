{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}

with run_days as (
    {{ run_days() }}

),

versions_in_force as (
    {%- for definition in definitions() %}
    select
        {{ sql_text(definition.name) }} as segmentation,
        {{ sql_text(definition.rule_version) }} as rule_version
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as segmentation,
        cast(null as {{ dbt.type_string() }}) as rule_version
    {%- endfor %}

)

select
    run_days.as_of_date,
    versions_in_force.segmentation,
    versions_in_force.rule_version
from run_days
cross join versions_in_force
