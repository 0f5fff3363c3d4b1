with source_systems as (

    {%- for system in var('sources') %}
    select cast('{{ system }}' as {{ dbt.type_string() }}) as source_system
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

delivered_days as (

    select * from {{ ref('delivered_days') }}

)

select
    source_systems.source_system,
    max(delivered_days.newest_at) as newest_at,
    {{ days_between('max(delivered_days.order_date)', last_date()) }} as days_behind
from source_systems
left join delivered_days
    on source_systems.source_system = delivered_days.source_system
group by source_systems.source_system
