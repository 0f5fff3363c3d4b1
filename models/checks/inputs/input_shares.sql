{#- Usual values come from what was published. With today's products, the lines of all days would lose their categories
    at once, and no day would stand out. -#}
{%- set kept_days = kept('customer_days', 'features') -%}
{%- set kept_categories = kept('customer_category_days', 'features') -%}
{%- set kinds = ['identical_lines', 'returned_lines', 'uncategorised_lines', 'cancelled_lines'] %}

with run_days as (
    {{ run_days() }}

),

closed_days as (

    select * from {{ ref('closed_days') }}

),

input_lines as (

    select * from {{ ref('input_lines') }}

),

delivered_days as (

    select
        order_date,
        sum(lines) as lines,
        sum(case when problem = 'cancelled_order' then lines else 0 end) as cancelled_lines
    from {{ ref('delivered_days') }}
    where order_date between {{ first_date(-56) }} and {{ last_date() }}
    group by order_date

),

kinds as (

    {%- for kind in kinds %}
    select '{{ kind }}' as kind
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

delivered as (

    {%- for kind in kinds %}
    select
        order_date,
        '{{ kind }}' as kind,
        cast(lines as double) as lines,
        cast({{ kind }} as double) as counted_lines
    from {{ 'delivered_days' if kind == 'cancelled_lines' else 'input_lines' }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

published as (

    select
        order_date,
        kind,
        counted_lines / lines as share
    from delivered
    where
        kind <> 'uncategorised_lines'
        and {{ (kept_days is not none) | lower }}
    {%- if kept_categories %}
    union all
    select
        activity_date as order_date,
        'uncategorised_lines' as kind,
        sum(cast(case when category is null then lines else 0 end as double)) / sum(cast(lines as double)) as share
    from {{ kept_categories }}
    where
        activity_date >= {{ first_date(-56) }}
        and activity_date < {{ first_date() }}
    group by activity_date
    {%- endif %}

),

-- Days before the run whose number of lines differs from the published one: they may be there twice now.
changed_days as (

    {% if kept_days -%}
    select delivered.order_date
    from delivered
    inner join (
        select
            activity_date,
            sum(lines) as lines
        from {{ kept_days }}
        where
            activity_date >= {{ first_date(-56) }}
            and activity_date < {{ first_date() }}
        group by activity_date
    ) as kept
        on delivered.order_date = kept.activity_date
    where
        delivered.kind = 'identical_lines'
        and delivered.lines <> kept.lines
    {%- else -%}
    select order_date
    from input_lines
    where false
    {%- endif %}

),

judged_days as (

    select
        run_days.as_of_date,
        kinds.kind
    from run_days
    cross join kinds
    union all
    select
        order_date as as_of_date,
        'identical_lines' as kind
    from changed_days

),

-- Days that changed say nothing of what is usual: many of them would make twice the lines the rule.
past as (

    select *
    from published
    where
        order_date not in (select closed_days.calendar_date from closed_days)
        and order_date not in (select changed_days.order_date from changed_days)

),

-- The share that nineteen of twenty open days before the run do not exceed: odd days do not become usual.
usual as (

    select
        kind,
        {{ cut_point('share', 95) }} as share
    from past
    where order_date < {{ first_date() }}
    group by kind
    having count(*) >= 14

),

products as (

    select count(*) as products
    from {{ ref('products') }}

),

shares as (

    select
        judged_days.as_of_date as order_date,
        judged_days.kind,
        delivered.lines,
        delivered.counted_lines,
        delivered.counted_lines / delivered.lines as share,
        usual.share as usual_share,
        -- Without products there are no categories to lose.
        judged_days.kind <> 'uncategorised_lines' or products.products > 0 as is_delivered
    from judged_days
    cross join products
    left join delivered
        on
            judged_days.as_of_date = delivered.order_date
            and judged_days.kind = delivered.kind
    left join usual
        on judged_days.kind = usual.kind

)

select
    order_date,
    kind,
    cast(coalesce(lines, 0) as bigint) as lines,
    share,
    usual_share,
    share - usual_share as unusual_share,
    case when usual_share is null and is_delivered then share end as first_share,
    counted_lines - coalesce(usual_share, 0) * lines as unusual_lines
from shares
