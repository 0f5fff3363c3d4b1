-- What is kept beside a log of entries is the last entry of each customer and segmentation, and nothing else.
{%- for log in ['raw_segment_entries', 'segment_entries'] %}
{%- set since = ' where entered_on >= ' ~ first_tested() %}
{%- set tested = '(select * from ' ~ ref(log) ~ since ~ ')' %}
{%- set kept = 'select * from ' ~ last_entries_of(ref(log)) ~ since %}
select
    customer_id,
    segmentation,
    entered_on
from (
    {{ last_of_each(tested, ref(log)) }}
    except
    {{ kept }}
) as lacking_{{ loop.index }}
union all
select
    customer_id,
    segmentation,
    entered_on
from (
    {{ kept }}
    except
    {{ last_of_each(tested, ref(log)) }}
) as needless_{{ loop.index }}
{{ 'union all' if not loop.last }}
{%- endfor %}
