{#- The name most like a misspelt one: most shared pairs of letters (Dice). -#}
{% macro nearest_name(name, names) %}
    {%- set best = namespace(name='', score=-1) -%}
    {%- set pairs = pairs_of_letters(name) -%}
    {%- for candidate in names | sort -%}
        {%- set others = pairs_of_letters(candidate) -%}
        {%- set shared = pairs | select('in', others) | list | length -%}
        {%- set score = 2 * shared / (pairs | length + others | length) -%}
        {%- if score > best.score -%}
            {%- set best.name = candidate -%}
            {%- set best.score = score -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(best.name) }}
{% endmacro %}

{% macro pairs_of_letters(name) %}
    {%- set padded = '^' ~ name | lower ~ '$' -%}
    {%- set pairs = [] -%}
    {%- for i in range(padded | length - 1) -%}
        {%- do pairs.append(padded[i:i + 2]) -%}
    {%- endfor -%}
    {{ return(pairs | unique | list) }}
{% endmacro %}
