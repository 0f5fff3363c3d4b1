{#- The flow's counts of this run's files; a build without a flow counts nothing. -#}
-- depends_on: {{ ref('delivered_days') }}, {{ ref('checked_transactions') }}
with files as (

    select * from {{ source('operations', 'source_files') }}
    where run_id = '{{ env_var("TESSERA_RUN_ID", "") if execute }}'

),

tables as (

    select
        source_system,
        table_name,
        rows_read
    from {{ ref('source_values') }}
    where column_name is null

),

-- The model that a table's rows become, if every row becomes one row.
became as (

    {%- set delivered = graph.sources.values() | sort(attribute='unique_id') if execute else [] %}
    {%- for table in delivered if table.config.meta.get('becomes') %}
    select
        '{{ table.source_name }}' as source_system,
        '{{ table.name }}' as table_name,
        '{{ table.config.meta.becomes }}' as entity
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        {{ sql_text(none) }} as source_system,
        {{ sql_text(none) }} as table_name,
        {{ sql_text(none) }} as entity
    where 1 = 0
    {%- endfor %}

),

conformed as (

    {%- for entity in ['customers', 'products', 'campaigns', 'contacts', 'responses'] %}
    select
        source_system,
        '{{ entity }}' as entity,
        count(*) as rows_kept,
        0 as rows_rejected
    from {{ ref(entity) }}
    group by source_system
    union all
    {%- endfor %}
    -- Only transactions are rejected line by line.
    select
        source_system,
        'transactions' as entity,
        sum(case when problem is null then lines else 0 end) as rows_kept,
        sum(case when problem is not null then lines else 0 end) as rows_rejected
    {%- if var('late_days') is none %}
    from {{ ref('delivered_days') }}
    {%- else %}
    -- delivered_days does not cover days further back.
    from (
        select
            source_system,
            problem,
            count(*) as lines
        from {{ ref('checked_transactions') }}
        group by
            source_system,
            problem
    ) as lines_by_problem
    {%- endif %}
    group by source_system

),

reconciled as (

    select
        tables.source_system,
        tables.table_name,
        files.file,
        files.records,
        tables.rows_read,
        case when became.entity is not null then coalesce(conformed.rows_kept, 0) end as rows_kept,
        case when became.entity is not null then coalesce(conformed.rows_rejected, 0) end as rows_rejected
    from tables
    left join files
        on
            tables.source_system = files.source_system
            and tables.table_name = files.table_name
    left join became
        on
            tables.source_system = became.source_system
            and tables.table_name = became.table_name
    left join conformed
        on
            became.source_system = conformed.source_system
            and became.entity = conformed.entity

)

select
    source_system,
    table_name,
    file,
    records,
    rows_read,
    cast(rows_kept as bigint) as rows_kept,
    cast(rows_rejected as bigint) as rows_rejected,
    records - rows_read as records_lost,
    cast(rows_read - rows_kept - rows_rejected as bigint) as rows_unaccounted
from reconciled
