-- What is kept beside a log of entries is the last entry of each customer and segmentation, and nothing else.
{%- for log in ['raw_segment_entries', 'segment_entries'] %}
{%- set tested -%}
    (select * from {{ ref(log) }} where entered_on >= {{ first_tested() }})
{%- endset %}
{%- set kept -%}
    select * from {{ last_entries_of(ref(log)) }}
    where entered_on >= {{ first_tested() }}
{%- endset %}
(
    {{ last_of_each(tested) }}
    except
    {{ kept }}
)
union all
(
    {{ kept }}
    except
    {{ last_of_each(tested) }}
)
{{ 'union all' if not loop.last }}
{%- endfor %}
