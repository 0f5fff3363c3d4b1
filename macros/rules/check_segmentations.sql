{#- Holds every segmentation to the rule language before a run touches any table:
    a mistake stops the run with segmentation, segment and clause. And the columns
    of dim_customers, whose contract dbt would look at after the history was written. -#}
{% macro check_segmentations() %}
    {%- if execute -%}
        {%- if var('segmentations') is not iterable or var('segmentations') is string or var('segmentations') is mapping -%}
            {{ exceptions.raise_compiler_error("vars: segmentations in dbt_project.yml is a list of names, not '" ~ var('segmentations') ~ "'.") }}
            {{ return(none) }}
        {%- endif -%}
        {%- for name in var('segmentations') if (var('segmentations') | list).count(name) > 1 -%}
            {{ exceptions.raise_compiler_error('Segmentation ' ~ name ~ ': vars: segmentations in dbt_project.yml names it twice.') }}
        {%- endfor -%}
        {%- set features = known_features() -%}
        {%- for name in var('segmentations') -%}
            {%- if definition_of(name, features).status == 'retired' -%}
                {{ exceptions.raise_compiler_error('Segmentation ' ~ name
                    ~ ": its status is retired, so its history is not kept. Take the name out of vars: segmentations in dbt_project.yml.") }}
            {%- endif -%}
        {%- endfor -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name not in var('segmentations') -%}
            {%- set meta = node.config.meta.get('segmentation') -%}
            {%- if meta and (meta is not mapping or meta.get('status') != 'retired') -%}
                {{ exceptions.raise_compiler_error('Segmentation ' ~ node.name
                    ~ ": its history is not kept. Add the name to vars: segmentations in dbt_project.yml, give it status: retired, or delete the model.") }}
            {%- endif -%}
        {%- endfor -%}
        {%- do check_columns_of_segments() -%}
    {%- endif -%}
{% endmacro %}

{#- Raises unless the contract of dim_customers has a column for every active
    segmentation, and none for another one. Where only rules are read, without the
    marts, there is no contract to look at. -#}
{% macro check_columns_of_segments() %}
    {%- set node = graph.nodes.get('model.' ~ project_name ~ '.dim_customers') -%}
    {%- if node -%}
        {%- set contract = 'the contract of dim_customers in models/marts/customers/_customers.yml' -%}
        {%- set columns = node.columns.values() | map(attribute='name') | list -%}
        {%- for name in active_segmentations() if name not in columns -%}
            {{ exceptions.raise_compiler_error('Segmentation ' ~ name ~ ': it is active, but has no column in ' ~ contract
                ~ '. Add a column ' ~ name ~ ' of data_type varchar there.') }}
        {%- endfor -%}
        {#- Other columns may be called anything but what segmentations are called. -#}
        {%- for name in columns if name not in active_segmentations() and (name.startswith('seg_') or segmentation_meta(name)) -%}
            {%- set status = segmentation_meta(name).get('status', 'active') -%}
            {{ exceptions.raise_compiler_error('Segmentation ' ~ name ~ ': '
                ~ ('its status is ' ~ status if segmentation_meta(name) else 'there is none of this name') ~ ', but it has a column in ' ~ contract
                ~ ', where active ones have one. Remove the column ' ~ name ~ ' there, and tell its readers.') }}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
