-- 4,872 of the demo's 116,204 coupon rows stand twice.
{{ config(enabled = 'completejourney' in var('sources'), tags = ['of_files']) }}

with coupons as (

    select count(*) as coupon_rows
    from {{ ref('stg_completejourney__coupons') }}

)

select *
from coupons
where coupon_rows <> 116204 - 4872
