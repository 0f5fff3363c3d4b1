{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=false,
    pre_hook=["{{ attach_history_before_restating() }}", "{{ forget_restated_customers() }}"]
) }}

-- depends_on: {{ ref('fct_segment_spells') }}
{%- set restated = restatement() %}
{%- if restated %}

-- Both histories, cut to the days that are rewritten so far.
with spells as (

    {%- for side, relation in {
        'before': restated.before ~ '.marts.fct_segment_spells', 'now': ref('fct_segment_spells')
    }.items() %}
    select
        '{{ side }}' as side,
        customer_id,
        segmentation,
        segment,
        greatest(valid_from, {{ date_literal(restated.first) }}) as valid_from,
        least(valid_to, {{ last_date(1) }}) as valid_to
    from {{ relation }}
    where
        valid_to > {{ date_literal(restated.first) }}
        and valid_from <= {{ last_date() }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

changed_customers as (

    select distinct
        customer_id,
        segmentation
    from (
        select
            customer_id,
            segmentation
        from spells
        group by
            customer_id,
            segmentation,
            segment,
            valid_from,
            valid_to
        having count(*) = 1
    ) as changed

),

changed_spells as (

    select spells.*
    from spells
    inner join changed_customers
        on
            spells.customer_id = changed_customers.customer_id
            and spells.segmentation = changed_customers.segmentation

),

-- Between the days on which one of the two histories moves both stay as they are.
turns as (

    select
        customer_id,
        segmentation,
        valid_from as turned_on
    from changed_spells
    union
    select
        customer_id,
        segmentation,
        valid_to as turned_on
    from changed_spells

),

stretches as (

    select
        *,
        lead(turned_on) over (
            partition by customer_id, segmentation
            order by turned_on
        ) as next_turn_on
    from turns

),

compared as (

    select
        stretches.customer_id,
        stretches.segmentation,
        stretches.turned_on as valid_from,
        stretches.next_turn_on as valid_to,
        spells_before.segment as segment_before,
        spells_now.segment as segment_now
    from stretches
    left join changed_spells as spells_before
        on
            spells_before.side = 'before'
            and stretches.customer_id = spells_before.customer_id
            and stretches.segmentation = spells_before.segmentation
            and stretches.turned_on >= spells_before.valid_from
            and stretches.turned_on < spells_before.valid_to
    left join changed_spells as spells_now
        on
            spells_now.side = 'now'
            and stretches.customer_id = spells_now.customer_id
            and stretches.segmentation = spells_now.segmentation
            and stretches.turned_on >= spells_now.valid_from
            and stretches.turned_on < spells_now.valid_to
    where stretches.next_turn_on is not null

)

select
    cast({{ sql_text(restated.run_id) }} as {{ dbt.type_string() }}) as run_id,
    customer_id,
    segmentation,
    valid_from,
    valid_to,
    segment_before,
    segment_now
from compared
where segment_before is distinct from segment_now
{%- else %}

-- Other runs rewrite nothing that is published.
select
    cast(null as {{ dbt.type_string() }}) as run_id,
    customer_id,
    segmentation,
    valid_from,
    valid_to,
    segment as segment_before,
    segment as segment_now
from {{ ref('fct_segment_spells') }}
where false
{%- endif %}
