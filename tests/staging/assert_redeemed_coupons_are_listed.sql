-- Every coupon redeemed in the demo is one of its campaign's.
{{ config(enabled = 'completejourney' in var('sources'), tags = ['of_files']) }}

select responses.*
from {{ ref('stg_completejourney__responses') }} as responses
left join {{ ref('stg_completejourney__coupons') }} as coupons
    on
        responses.offer_id = coupons.offer_id
        and responses.campaign_id = coupons.campaign_id
where coupons.offer_id is null
