{{ config(materialized='table') }}

-- What no source delivers is unknown, not nothing.
with customer_days as (

    select
        min(case when discount_exact is not null then activity_date end) as discounts_on,
        min(case when coupon_exact is not null then activity_date end) as coupons_on,
        min(case when private_label_exact is not null then activity_date end) as private_labels_on
    from {{ ref('customer_days') }}

),

customer_category_days as (

    select min(activity_date) as categories_on
    from {{ ref('customer_category_days') }}
    where category is not null

),

contacts as (

    select min(contact_date) as contacts_on
    from {{ ref('contacts') }}

),

responses as (

    select min(response_date) as responses_on
    from {{ ref('responses') }}

)

select
    customer_days.discounts_on,
    customer_days.coupons_on,
    customer_days.private_labels_on,
    customer_category_days.categories_on,
    contacts.contacts_on,
    responses.responses_on
from customer_days
cross join customer_category_days
cross join contacts
cross join responses
