-- Features and segments of all customers at the end of one day, from stored customer days: what a careful person
-- would write for DuckDB alone. The rules are those of models/segmentations/*.yml, in plain SQL; segments without
-- history. Campaigns and returns are left out, for the generated files have none.
-- Variable: as_of_date. Working folder: the Parquet files.

create or replace temporary table lifetime as
select
    customer_id,
    min(activity_date) as first_order_date,
    max(activity_date) as last_order_date,
    cast(sum(cast(orders as double)) as bigint) as orders,
    sum(net_cents) as net_cents
from customer_days
where activity_date <= getvariable('as_of_date')
group by customer_id;

create or replace temporary table activity_365d as
select
    customer_id,
    cast(sum(cast(orders as double)) as bigint) as orders,
    cast(sum(cast(units as double)) as bigint) as units,
    sum(net_cents) as net_cents,
    sum(discount_cents) as discount_cents,
    sum(coupon_cents) as coupon_cents,
    sum(private_label_cents) as private_label_cents,
    count(*) as active_days
from customer_days
where activity_date > getvariable('as_of_date') - 365 and activity_date <= getvariable('as_of_date')
group by customer_id;

-- Of each pair of consecutive order days, the days between and the later one.
create or replace temporary table gaps as
select
    customer_id,
    cast(median(days_between) as double) as median_days_between_orders,
    max(days_between) filter (activity_date > getvariable('as_of_date') - 90) as longest_pause_90d
from (
    select
        customer_id,
        activity_date,
        activity_date - lag(activity_date) over (partition by customer_id order by activity_date) as days_between
    from customer_days
    where activity_date <= getvariable('as_of_date')
)
where days_between is not null
group by customer_id;

-- The category with most net sales, of equals the first: both in one number.
create or replace temporary table tastes as
select
    customer_id,
    count(*) as categories,
    max(cast(net_cents as bigint) * 256 + 255 - category_number) as top
from (
    select
        customer_id,
        category_number,
        sum(net_cents) as net_cents
    from customer_category_days
    where activity_date > getvariable('as_of_date') - 365 and activity_date <= getvariable('as_of_date')
    group by customer_id, category_number
)
group by customer_id;

create or replace temporary table cut_points as
select
    quantile_disc(-(getvariable('as_of_date') - last_order_date), [0.2, 0.4, 0.6, 0.8]) as recency,
    quantile_disc(activity_365d.orders, [0.2, 0.4, 0.6, 0.8]) as frequency,
    quantile_disc(activity_365d.net_cents / 100, [0.2, 0.4, 0.6, 0.8]) as monetary
from activity_365d
inner join lifetime using (customer_id)
inner join (
    select
        customer_id,
        closed_date
    from 'customers.parquet'
) as customers using (customer_id)
where closed_date is null or closed_date > getvariable('as_of_date');

create or replace table features as
with activity_7d as (
    select
        customer_id,
        cast(sum(cast(orders as double)) as bigint) as orders,
        cast(sum(cast(units as double)) as bigint) as units,
        sum(net_cents) as net_cents,
        sum(discount_cents) as discount_cents,
        count(*) as active_days
    from customer_days
    where activity_date > getvariable('as_of_date') - 7 and activity_date <= getvariable('as_of_date')
    group by customer_id
),

activity_30d as (
    select
        customer_id,
        cast(sum(cast(orders as double)) as bigint) as orders,
        cast(sum(cast(units as double)) as bigint) as units,
        sum(net_cents) as net_cents,
        sum(discount_cents) as discount_cents,
        count(*) as active_days
    from customer_days
    where activity_date > getvariable('as_of_date') - 30 and activity_date <= getvariable('as_of_date')
    group by customer_id
),

activity_90d as (
    select
        customer_id,
        cast(sum(cast(orders as double)) as bigint) as orders,
        cast(sum(cast(units as double)) as bigint) as units,
        sum(net_cents) as net_cents,
        sum(discount_cents) as discount_cents,
        count(*) as active_days
    from customer_days
    where activity_date > getvariable('as_of_date') - 90 and activity_date <= getvariable('as_of_date')
    group by customer_id
)

select
    cast(getvariable('as_of_date') as date) as as_of_date,
    customers.customer_id,
    least(customers.first_seen_date, lifetime.first_order_date) as first_seen_date,
    lifetime.first_order_date,
    lifetime.last_order_date,
    cast(null as date) as last_response_date,
    getvariable('as_of_date') - least(customers.first_seen_date, lifetime.first_order_date) as tenure_days,
    getvariable('as_of_date') - lifetime.last_order_date as days_since_last_order,
    getvariable('as_of_date') - lifetime.first_order_date as days_since_first_order,
    cast(null as bigint) as days_since_last_response,
    coalesce(lifetime.orders, 0) as orders_lifetime,
    coalesce(lifetime.net_cents, 0) / 100 as net_sales_lifetime,
    coalesce(activity_7d.orders, 0) as orders_7d,
    cast(0 as bigint) as returns_7d,
    coalesce(activity_7d.units, 0) as units_7d,
    coalesce(activity_7d.net_cents, 0) / 100 as net_sales_7d,
    coalesce(activity_7d.discount_cents, 0) / 100 as discounts_7d,
    coalesce(activity_7d.active_days, 0) as active_days_7d,
    coalesce(activity_30d.orders, 0) as orders_30d,
    cast(0 as bigint) as returns_30d,
    coalesce(activity_30d.units, 0) as units_30d,
    coalesce(activity_30d.net_cents, 0) / 100 as net_sales_30d,
    coalesce(activity_30d.discount_cents, 0) / 100 as discounts_30d,
    coalesce(activity_30d.active_days, 0) as active_days_30d,
    coalesce(activity_90d.orders, 0) as orders_90d,
    cast(0 as bigint) as returns_90d,
    coalesce(activity_90d.units, 0) as units_90d,
    coalesce(activity_90d.net_cents, 0) / 100 as net_sales_90d,
    coalesce(activity_90d.discount_cents, 0) / 100 as discounts_90d,
    coalesce(activity_90d.active_days, 0) as active_days_90d,
    coalesce(activity_365d.orders, 0) as orders_365d,
    cast(0 as bigint) as returns_365d,
    coalesce(activity_365d.units, 0) as units_365d,
    coalesce(activity_365d.net_cents, 0) / 100 as net_sales_365d,
    coalesce(activity_365d.discount_cents, 0) / 100 as discounts_365d,
    coalesce(activity_365d.active_days, 0) as active_days_365d,
    activity_365d.net_cents / 100 / nullif(activity_365d.orders, 0) as average_order_value_365d,
    activity_365d.discount_cents
    / nullif(activity_365d.net_cents + activity_365d.discount_cents, 0) as discount_share_365d,
    activity_365d.coupon_cents / nullif(activity_365d.net_cents, 0) as coupon_share_365d,
    activity_365d.private_label_cents / nullif(activity_365d.net_cents, 0) as private_label_share_365d,
    0 / nullif(activity_365d.net_cents, 0) as return_share_365d,
    gaps.median_days_between_orders,
    gaps.longest_pause_90d,
    coalesce(tastes.categories, 0) as categories_365d,
    categories.category as top_category_365d,
    cast(tastes.top // 256 as double) / nullif(activity_365d.net_cents, 0) as top_category_share_365d,
    -- No campaign was ever delivered, so nobody knows of contacts.
    cast(null as bigint) as contacts_365d,
    cast(null as bigint) as responses_365d,
    case
        when activity_365d.orders > 0
            then cast(
                1 + case when cut_points.recency[1] < lifetime.last_order_date - getvariable('as_of_date') then 1 else 0 end
                + case when cut_points.recency[2] < lifetime.last_order_date - getvariable('as_of_date') then 1 else 0 end
                + case when cut_points.recency[3] < lifetime.last_order_date - getvariable('as_of_date') then 1 else 0 end
                + case when cut_points.recency[4] < lifetime.last_order_date - getvariable('as_of_date') then 1 else 0 end
                as bigint
            )
    end as recency_score,
    case
        when activity_365d.orders > 0
            then cast(
                1 + case when cut_points.frequency[1] < activity_365d.orders then 1 else 0 end
                + case when cut_points.frequency[2] < activity_365d.orders then 1 else 0 end
                + case when cut_points.frequency[3] < activity_365d.orders then 1 else 0 end
                + case when cut_points.frequency[4] < activity_365d.orders then 1 else 0 end
                as bigint
            )
    end as frequency_score,
    case
        when activity_365d.orders > 0
            then cast(
                1 + case when cut_points.monetary[1] < activity_365d.net_cents / 100 then 1 else 0 end
                + case when cut_points.monetary[2] < activity_365d.net_cents / 100 then 1 else 0 end
                + case when cut_points.monetary[3] < activity_365d.net_cents / 100 then 1 else 0 end
                + case when cut_points.monetary[4] < activity_365d.net_cents / 100 then 1 else 0 end
                as bigint
            )
    end as monetary_score,
    customers.customer_type,
    customers.age_band,
    customers.income_band,
    customers.household_size,
    customers.household_composition,
    cast(null as varchar) as home_ownership,
    cast(null as varchar) as marital_status,
    cast(null as varchar) as kids_count
from 'customers.parquet' as customers
cross join cut_points
left join lifetime using (customer_id)
left join activity_7d using (customer_id)
left join activity_30d using (customer_id)
left join activity_90d using (customer_id)
left join activity_365d using (customer_id)
left join gaps using (customer_id)
left join tastes using (customer_id)
left join categories
    on 255 - (tastes.top - 256 * (tastes.top // 256)) = categories.category_number
where
    least(customers.first_seen_date, lifetime.first_order_date) <= getvariable('as_of_date')
    and (customers.closed_date is null or customers.closed_date > getvariable('as_of_date'));

create or replace table segments as
with share_cut_points as (
    select
        quantile_disc(discount_share_365d, 0.2) as p20,
        quantile_disc(discount_share_365d, 0.8) as p80
    from features
)

select
    customer_id,
    case
        when orders_lifetime = 0 then 'prospect'
        when days_since_last_order > 90 then 'churned'
        when days_since_last_order > 31 then 'at_risk'
        when days_since_first_order <= 60 then 'new'
        when longest_pause_90d > 51 then 'reactivated'
        when active_days_90d >= 13 then 'loyal'
        else 'active'
    end as seg_lifecycle,
    case
        when recency_score = 5 and frequency_score >= 4 then 'champions'
        when recency_score in (3, 4) and frequency_score >= 4 then 'loyal_customers'
        when recency_score >= 4 and frequency_score in (2, 3) then 'potential_loyalists'
        when recency_score = 5 and frequency_score = 1 then 'recent_customers'
        when recency_score = 4 and frequency_score = 1 then 'promising'
        when recency_score = 3 and frequency_score = 3 then 'needs_attention'
        when recency_score = 3 and frequency_score <= 2 then 'about_to_sleep'
        when recency_score <= 2 and frequency_score = 5 then 'cannot_lose'
        when recency_score <= 2 and frequency_score in (3, 4) then 'at_risk'
        when recency_score <= 2 and frequency_score <= 2 then 'hibernating'
        else 'no_recent_orders'
    end as seg_value,
    case
        when household_composition in ('1 Adult Kids', '2 Adults Kids') then 'families'
        when age_band = '65+' then 'seniors'
        when household_composition = '1 Adult No Kids' and age_band in ('19-24', '25-34') then 'young_singles'
        when household_composition = '2 Adults No Kids' and age_band in ('19-24', '25-34') then 'young_couples'
        when household_composition = '1 Adult No Kids' then 'singles'
        when household_composition = '2 Adults No Kids' then 'couples'
        else 'unknown'
    end as seg_household,
    case
        when responses_365d >= 2 then 'coupon_users'
        when discount_share_365d >= p80 then 'deal_seekers'
        when discount_share_365d <= p20 then 'full_price'
        when discount_share_365d is not null then 'balanced'
        else 'no_purchases'
    end as seg_deals,
    case
        when recency_score = 5 and monetary_score >= 4 then 'champions'
        when recency_score in (3, 4) and monetary_score >= 4 then 'loyal_customers'
        when recency_score >= 4 and monetary_score in (2, 3) then 'potential_loyalists'
        when recency_score = 5 and monetary_score = 1 then 'recent_customers'
        when recency_score = 4 and monetary_score = 1 then 'promising'
        when recency_score = 3 and monetary_score = 3 then 'needs_attention'
        when recency_score = 3 and monetary_score <= 2 then 'about_to_sleep'
        when recency_score <= 2 and monetary_score = 5 then 'cannot_lose'
        when recency_score <= 2 and monetary_score in (3, 4) then 'at_risk'
        when recency_score <= 2 and monetary_score <= 2 then 'hibernating'
        else 'no_recent_orders'
    end as seg_value_by_spend
from features
cross join share_cut_points;
