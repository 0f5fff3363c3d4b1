-- 2,469 households, of whom 1,668 told nothing of themselves and 910 were never reached by a campaign: all customers.
{{ config(enabled = var('sources') == ['completejourney'], tags = ['of_files']) }}

with counted as (

    select
        count(distinct customers.customer_id) as customers,
        count(distinct case when customers.age_band is null then customers.customer_id end) as undescribed,
        count(distinct case when contacts.customer_id is null then customers.customer_id end) as unreached
    from {{ ref('customers') }} as customers
    left join {{ ref('contacts') }} as contacts
        on customers.customer_id = contacts.customer_id

)

select *
from counted
where
    customers <> 2469
    or undescribed <> 1668
    or unreached <> 910
