{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}
{%- set wait = var('alert_response_days') -%}
{%- set window = var('alert_response_window_days') %}

with run_days as (
    {{ run_days() }}

),

contacts as (

    select * from {{ ref('contacts') }}
    where
        contact_date > {{ first_date(-wait - 2 * window) }}
        and contact_date <= {{ last_date(-wait) }}

),

responses as (

    select * from {{ ref('responses') }}

),

fct_segment_spells as (

    select * from {{ ref('fct_segment_spells') }}
    where segmentation in {{ sql_texts(active_segmentations()) }}

),

answered as (

    select distinct
        contacts.customer_id,
        contacts.campaign_id,
        contacts.contact_date
    from contacts
    inner join responses
        on
            contacts.customer_id = responses.customer_id
            and contacts.campaign_id = responses.campaign_id
    where
        responses.response_date >= contacts.contact_date
        and responses.response_date <= {{ add_days('contacts.contact_date', wait) }}

),

-- A contact belongs to the segment that the customer was in on its day.
contact_days as (

    select
        contacts.contact_date,
        fct_segment_spells.segmentation,
        fct_segment_spells.segment,
        count(*) as contacts,
        count(answered.customer_id) as responses
    from contacts
    inner join fct_segment_spells
        on
            contacts.customer_id = fct_segment_spells.customer_id
            and contacts.contact_date >= fct_segment_spells.valid_from
            and contacts.contact_date < fct_segment_spells.valid_to
    left join answered
        on
            contacts.customer_id = answered.customer_id
            and contacts.campaign_id = answered.campaign_id
            and contacts.contact_date = answered.contact_date
    group by
        contacts.contact_date,
        fct_segment_spells.segmentation,
        fct_segment_spells.segment

),

-- The newest contacts still wait for their responses, so both windows end before them.
windows as (

    select
        as_of_date,
        {{ add_days('as_of_date', -wait) }} as window_end,
        {{ add_days('as_of_date', -wait - window) }} as window_before_end,
        {{ add_days('as_of_date', -wait - 2 * window) }} as after_window_before
    from run_days

),

counts as (

    select
        windows.as_of_date,
        contact_days.segmentation,
        contact_days.segment,
        sum(case when contact_days.contact_date > windows.window_before_end then contact_days.contacts else 0 end)
            as contacts,
        sum(case when contact_days.contact_date > windows.window_before_end then contact_days.responses else 0 end)
            as responses,
        sum(case when contact_days.contact_date > windows.window_before_end then 0 else contact_days.contacts end)
            as contacts_before,
        sum(case when contact_days.contact_date > windows.window_before_end then 0 else contact_days.responses end)
            as responses_before
    from windows
    inner join contact_days
        on
            windows.window_end >= contact_days.contact_date
            and windows.after_window_before < contact_days.contact_date
    group by
        windows.as_of_date,
        contact_days.segmentation,
        contact_days.segment

),

rates as (

    select
        *,
        responses / nullif(cast(contacts as double), 0) as response_rate,
        responses_before / nullif(cast(contacts_before as double), 0) as response_rate_before,
        (responses + responses_before) / cast(contacts + contacts_before as double) as common_rate
    from counts

),

-- The test of two proportions with their common rate; it needs five responses and five
-- contacts without one to be expected in either window.
scored as (

    select
        *,
        case
            when least(contacts, contacts_before) * least(common_rate, 1 - common_rate) >= 5
                then
                    (response_rate_before - response_rate)
                    / sqrt(
                        common_rate * (1 - common_rate)
                        * (1 / cast(contacts as double) + 1 / cast(contacts_before as double))
                    )
        end as z
    from rates

)

select
    as_of_date,
    segmentation,
    segment,
    cast(contacts as bigint) as contacts,
    cast(responses as bigint) as responses,
    response_rate,
    cast(contacts_before as bigint) as contacts_before,
    cast(responses_before as bigint) as responses_before,
    response_rate_before,
    case when z is not null then {{ normal_tail('z') }} end as p_value_of_fall
from scored
