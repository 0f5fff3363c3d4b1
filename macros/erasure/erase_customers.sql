{#- Takes the customers in the table `erased_customers()` out of the warehouse: out of what is counted of every day,
    then out of every table with a customer_id. A run-operation of flows.erase, which works on a copy of the warehouse and
    builds the tables of the last day again afterwards.

    Stops where a source still delivers one of them: the next run would bring them back.

    Each statement commits itself. dbt ends a run-operation without a commit, so nothing here may begin a transaction, as
    load_relation does. -#}
{% macro erase_customers() -%}
    {%- do attach_sources() -%}
    {%- do stop_where_delivered() -%}
    {%- do stop_where_tables_are_missing() -%}

    {%- do run_query(subtract(ref('fct_segment_daily'), lost_sizes(),
        ['as_of_date', 'segmentation', 'segment'],
        ['customers', 'entered', 'exited', 'joined', adapter.quote('left'), 'net_sales_30d', 'orders_30d'])) -%}
    {%- do run_query(forget_empty_segments()) -%}
    {#- Of days whose features are no longer kept the sales are not subtracted: they must not be those of one customer. -#}
    {%- do run_query('update ' ~ ref('fct_segment_daily') ~ ' set net_sales_30d = 0, orders_30d = 0 where customers = 0') -%}
    {%- do run_query(subtract(ref('fct_segment_migrations'), lost_migrations(),
        ['period', 'period_start', 'segmentation', 'from_segment', 'to_segment'], ['customers'])) -%}
    {%- do run_query('delete from ' ~ ref('fct_segment_migrations') ~ ' where customers = 0') -%}
    {%- do run_query(subtract(ref('segmentation_moves'), moves_by_day(rows_of_erased(ref('segment_entries'))),
        ['as_of_date', 'segmentation', 'rule_version'], ['moves', 'reversed_moves'])) -%}
    {%- do run_query('delete from ' ~ ref('segmentation_moves') ~ ' where moves = 0 and reversed_moves = 0') -%}

    {%- for table in tables_of_customers() -%}
        {#- A column of another type has keys as they were delivered. -#}
        {%- do run_query(
            'delete from ' ~ table ~ ' where try_cast(customer_id as ' ~ var('customer_id_type') ~ ')'
            ~ ' in (select erased.customer_id from ' ~ erased_customers() ~ ' as erased)') -%}
    {%- endfor -%}
{%- endmacro %}

{#- Stops where the warehouse was built before a model that is not built again by an erasure. -#}
{% macro stop_where_tables_are_missing() -%}
    {%- set tables = run_query("
        select table_schema || '.' || table_name
        from information_schema.tables
        where table_catalog = current_database()
    ").columns[0].values() -%}
    {%- set missing = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.config.materialized == 'incremental' -%}
        {%- if node.schema ~ '.' ~ node.alias not in tables -%}
            {%- do missing.append(node.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set in_force = measures_in_force_of(ref('measure_changes')) -%}
    {%- if in_force.schema ~ '.' ~ in_force.identifier not in tables -%}
        {%- do missing.append(in_force.identifier) -%}
    {%- endif -%}
    {%- if missing -%}
        {{ exceptions.raise_compiler_error(
            'The warehouse was built by an earlier version, without ' ~ (missing | sort | join(', ')) ~ '. '
            ~ 'Build a day with this one first: python -m flows.daily, or restate the last published day.') }}
    {%- endif -%}
{%- endmacro %}

{#- The customers who are erased, as flows.erase lists them in the copy while it works on it. -#}
{% macro erased_customers() -%}
    operations.erased_customers
{%- endmacro %}

{#- The rows of a table that are about erased customers, to read from. -#}
{% macro rows_of_erased(table) -%}
    (select * from {{ table }} where customer_id in (select erased.customer_id from {{ erased_customers() }} as erased))
{%- endmacro %}

{#- Every table that says something of single customers. -#}
{% macro tables_of_customers() -%}
    {{ return(run_query("
        select columns.table_schema || '.' || columns.table_name
        from information_schema.columns as columns
        inner join information_schema.tables as tables
            on
                columns.table_catalog = tables.table_catalog
                and columns.table_schema = tables.table_schema
                and columns.table_name = tables.table_name
        where
            columns.column_name = 'customer_id'
            and tables.table_type = 'BASE TABLE'
            and columns.table_catalog = current_database()
            and columns.table_schema || '.' || columns.table_name <> '" ~ erased_customers() ~ "'
        order by 1
    ").columns[0].values()) }}
{%- endmacro %}

{#- The statement that takes what is lost off the counts of a table. -#}
{% macro subtract(table, lost, keys, counts) -%}
    merge into {{ table }} as kept
    using ({{ lost }}) as lost
        on
            {%- for key in keys %}
            kept.{{ key }} = lost.{{ key }}{{ ' and' if not loop.last }}
            {%- endfor %}
    when matched then update set
        {%- for count in counts %}
        {{ count }} = kept.{{ count }} - lost.{{ count }}{{ ',' if not loop.last }}
        {%- endfor %}
{%- endmacro %}
