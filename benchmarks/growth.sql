-- A company whose population stays as large as it is over 3,400 days: N places, each held by one customer after the
-- other, who join, order at a steady rate and leave. A Parquet file per table in the working folder, in the shape of
-- the source system `files`; every value is a fixed formula of hash().
-- Variables: customers (N), last (the last day with orders; the first is 2015-01-01).

-- 0 <= uniform(key, salt) < 1; hashed twice, as hash() of two values only combines their hashes.
create or replace temporary macro uniform(key, salt) as hash(hash(key, salt)) / 18446744073709551616.0;

-- A customer stays for 400 to 2,400 days; the first ones of a place have been there for up to 400.
create or replace temporary table places as
select
    place,
    generation,
    place * 20 + generation as customer_id,
    cast(400 + 2000 * uniform(place, 1) as integer) as stay,
    date '2015-01-01' - cast(400 * uniform(place, 2) as integer) + cast(generation as integer) * stay as joined_on
from (select range as place from range(getvariable('customers')))
cross join (select range as generation from range(10));

copy (
    select
        customer_id,
        joined_on as first_seen_date,
        joined_on + stay as closed_date,
        ['19-24', '25-34', '35-44', '45-54', '55-64', '65+'][1 + customer_id % 6] as age_band
    from places
    where joined_on <= getvariable('last')
    order by customer_id
) to 'customers.parquet';

copy (
    select
        range as product_id,
        format('category {:02d}', range % 60) as category,
        range % 5 = 0 as is_private_label
    from range(2000)
) to 'products.parquet';

-- One customer orders every 4 days, another every 60; an order has one or two lines.
copy (
    select
        places.customer_id,
        format('{}-{}', places.customer_id, days.day) as order_id,
        days.day + to_seconds(cast(30000 + 40000 * uniform(places.customer_id, 3) as bigint)) as ordered_at,
        cast((100 + floor(2000 * uniform(key, 4 + line))) / 100 as decimal(18, 2)) as net_amount,
        cast(floor(2000 * power(uniform(key, 6 + line), 2)) as bigint) as product_id,
        1 as units,
        cast(case when uniform(key, 8 + line) < 0.3 then 0.5 else 0 end as decimal(18, 2)) as discount_amount
    from (
        select
            cast(unnest(generate_series(date '2015-01-01', getvariable('last'), interval 1 day)) as date) as day
    ) as days
    inner join places
        on
            places.joined_on <= days.day
            and places.joined_on + places.stay > days.day
    cross join (select unnest([0, 1]) as line)
    cross join lateral (select hash(places.customer_id, days.day) as key)
    where
        uniform(key, 10) < 1 / (4 + 56 * uniform(places.customer_id, 11))
        and (line = 0 or uniform(key, 12) < 0.5)
    order by ordered_at
) to 'transactions.parquet';
