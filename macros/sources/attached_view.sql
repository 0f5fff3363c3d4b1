{#- The statement that creates the view of one source table over its files. Required files and columns must be there;
    optional ones may be missing and read as null. Faults are appended to problems: the flows look first, and report
    them in more detail (flows/steps/source_files.py). -#}
{% macro attached_view(table, folder, problems) %}
    {%- set where = "source '" ~ table.source_name ~ "', table '" ~ table.name ~ "': " -%}
    {%- set meta = table.config.meta -%}
    {%- set found = run_query(delivered_files(folder, table.name)).rows -%}
    {%- set deliveries = found | map(attribute=0) | unique | list -%}
    {%- set files = found | map(attribute=1) | list -%}
    {%- set header, delivered = [], {} -%}
    {%- for file in files if file not in deliveries and not file.endswith('.parquet') -%}
        {%- do problems.append(where ~ file ~ ' is not a Parquet file, and a folder may hold no others. Remove it.') -%}
    {%- endfor -%}
    {%- if deliveries | length > 1 -%}
        {%- do problems.append(where ~ 'more than one file: ' ~ (deliveries | join(', ')) ~ '. Keep one of them.') -%}
    {%- elif not files and meta.get('required', false) -%}
        {%- do problems.append(where ~ 'there is no file ' ~ folder ~ '/' ~ table.name ~ '.csv or .parquet, and this table is required. '
            ~ 'Deliver it, or set vars: ' ~ table.source_name ~ '_folder to the folder that holds it.') -%}
    {%- elif problems -%}
        {#- Files that cannot be opened are not checked further. -#}
    {%- elif files and files[0].endswith('.csv') -%}
        {%- for column in run_query(csv_header(files[0], meta.get('dialect'))).rows -%}
            {%- do header.append(column[1]) -%}
            {%- if column[1] in delivered and column[1] in table.columns -%}
                {%- do problems.append(where ~ files[0] ~ " has more than one column '" ~ column[1] ~ "'. Keep one of them.") -%}
            {%- endif -%}
            {%- do delivered.update({column[1]: {'expression': 'column_' ~ loop.index, 'type': 'VARCHAR'}}) -%}
        {%- endfor -%}
    {%- elif files -%}
        {%- for column in run_query('describe select * from ' ~ source_reader(files, [], none)).rows -%}
            {%- do delivered.update({column[0] | lower: {'expression': adapter.quote(column[0]), 'type': column[1]}}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if delivered -%}
        {%- for column in table.columns.values() if column.config.meta.get('required', false) and column.name not in delivered -%}
            {%- do problems.append(where ~ files[0] ~ " has no column '" ~ column.name ~ "', which is required.") -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if not problems %}
    create or replace view {{ table.schema }}.{{ table.identifier }} as
    select {{ source_columns(
        table.columns.values() | list, delivered, meta.get('timezone', var('timezone')),
        table.loaded_at_field or table.config.loaded_at_field, var('earliest_order_date')
    ) }}
    {% if files %}from {{ source_reader(files, header, meta.get('dialect')) }}{% else %}where false{% endif %}
    {%- endif -%}
{% endmacro %}
