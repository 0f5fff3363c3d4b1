{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook=["{{ forget('as_of_date') }}", "{{ forget_old_features('as_of_date') }}"]
) }}

with run_days as (
    {{ run_days() }}

),

carried_day as (

    {% if is_incremental() -%}
    {{ carried_day(this) }}
    {%- else -%}
    select {{ first_date() }} as key_frame
    {%- endif %}

),

-- A month begins with a key frame, and so does a run that can carry nothing on.
last_key_frame as (

    select coalesce(max(key_frame), {{ first_date() }}) as key_frame
    from carried_day

)

select
    run_days.as_of_date,
    {% if var('incremental_features') -%}
    greatest(
        cast(date_trunc('month', run_days.as_of_date) as date),
        last_key_frame.key_frame
    ) as key_frame,
    {%- else -%}
    run_days.as_of_date as key_frame,
    {%- endif %}
    {{ measures_version('run_days.as_of_date') }} as measures_version
from run_days
cross join last_key_frame
cross join {{ ref('first_deliveries') }}
