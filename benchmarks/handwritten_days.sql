-- Customer days from the lines of one slice of days; run once per slice, which keeps the memory small. Lines are
-- grouped to orders and orders to days: cheaper than count(distinct). Amounts are whole cents in a double, categories
-- a small number in the order of their names.
-- Variables: slice_first, slice_end (the first day after the slice). Working folder: the Parquet files.

create table if not exists categories as
select
    category,
    cast(row_number() over (order by category) as utinyint) as category_number
from (select distinct category from 'products.parquet');

create table if not exists products as
select
    product_id,
    category_number,
    is_private_label
from 'products.parquet'
left join categories using (category);

create table if not exists customer_days (
    customer_id bigint,
    activity_date date,
    lines integer,
    orders integer,
    units integer,
    net_cents double,
    discount_cents double,
    coupon_cents double,
    private_label_cents double
);

create table if not exists customer_category_days (
    customer_id bigint,
    activity_date date,
    category_number utinyint,
    net_cents double
);

create or replace temporary table lines as
select
    customer_id,
    order_id,
    cast(ordered_at as date) as activity_date,
    category_number,
    units,
    round(cast(net_amount as double) * 100) as net_cents,
    round(cast(discount_amount as double) * 100) as discount_cents,
    round(cast(coupon_amount as double) * 100) as coupon_cents,
    case when is_private_label then round(cast(net_amount as double) * 100) else 0 end as private_label_cents
from 'transactions.parquet'
left join products using (product_id)
where
    ordered_at >= getvariable('slice_first')
    and ordered_at < getvariable('slice_end');

insert into customer_days
select
    customer_id,
    activity_date,
    sum(lines) as lines,
    count(*) as orders,
    sum(units) as units,
    sum(net_cents) as net_cents,
    sum(discount_cents) as discount_cents,
    sum(coupon_cents) as coupon_cents,
    sum(private_label_cents) as private_label_cents
from (
    select
        customer_id,
        activity_date,
        order_id,
        cast(count(*) as integer) as lines,
        sum(cast(units as double)) as units,
        sum(net_cents) as net_cents,
        sum(discount_cents) as discount_cents,
        sum(coupon_cents) as coupon_cents,
        sum(private_label_cents) as private_label_cents
    from lines
    group by customer_id, activity_date, order_id
)
group by customer_id, activity_date;

insert into customer_category_days
select
    customer_id,
    activity_date,
    category_number,
    sum(net_cents) as net_cents
from lines
where category_number is not null
group by customer_id, activity_date, category_number;

drop table lines;
