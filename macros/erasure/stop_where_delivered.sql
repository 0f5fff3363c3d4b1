{#- Stops where a source still delivers a customer who is to be erased. It says how many and where, not who: the message
    stays in the log of runs. -#}
{% macro stop_where_delivered() -%}
    {%- set found = [] -%}
    {%- for system in var('sources') -%}
        {%- for entity in ['customers', 'transactions', 'contacts', 'responses'] -%}
            {%- set delivered = run_query('
                select
                    count(*),
                    count(distinct customer_id)
                from ' ~ ref('stg_' ~ system ~ '__' ~ entity) ~ '
                where customer_id in (select erased.customer_id from ' ~ erased_customers() ~ ' as erased)
            ').rows[0] -%}
            {%- if delivered[0] -%}
                {%- do found.append(system ~ ', ' ~ entity ~ ': ' ~ delivered[0] ~ ' row(s) of ' ~ delivered[1] ~ ' of them') -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if found -%}
        {{ exceptions.raise_compiler_error(
            'The sources still deliver customers who are to be erased (' ~ (found | join('; ')) ~ '). '
            ~ 'Erase them there first: the next run would bring them back.') }}
    {%- endif -%}
{%- endmacro %}
