{#- Fails with the keys that stand more than once. Of a table that keeps days, a run tests
    its own: `since` is the column whose rows from the first of them on are new. -#}
{% test unique_combination(model, columns, since=none) %}

select
    {{ columns | join(',\n    ') }},
    count(*) as rows_of_key
from {{ model }}
{%- if since %}
where {{ since }} >= {{ first_tested() }}
{%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
