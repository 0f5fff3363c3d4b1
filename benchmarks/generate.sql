-- N customers with 30 N order lines over the 730 days up to 2017-12-31, as Parquet files in the working folder, in
-- the shape of the source system `files`. Every value is a fixed formula of hash(), so one version of DuckDB makes
-- the same files everywhere.
-- Variable: customers (N, a multiple of 100).

set preserve_insertion_order = true;

-- 0 <= uniform(key, salt) < 1
create temporary macro uniform(key, salt) as hash(key, salt) / 18446744073709551616.0;

copy (
    select
        customer_id,
        -- Known for up to two years before their first possible order, or for as little as a day.
        date '2014-01-01' + cast(1460 * uniform(customer_id, 101) as integer) as first_seen_date,
        case
            when uniform(customer_id, 102) < 0.01
                then date '2017-01-01' + cast(400 * uniform(customer_id, 103) as integer)
        end as closed_date,
        'household' as customer_type,
        case
            when uniform(customer_id, 104) < 0.7
                then ['19-24', '25-34', '35-44', '45-54', '55-64', '65+'][
                    1 + cast(floor(6 * uniform(customer_id, 105)) as integer)
                ]
        end as age_band,
        case
            when uniform(customer_id, 104) < 0.7
                then ['Under 15K', '15-24K', '25-34K', '35-49K', '50-74K', '75-99K', '100K+'][
                    1 + cast(floor(7 * uniform(customer_id, 106)) as integer)
                ]
        end as income_band,
        case
            when uniform(customer_id, 104) < 0.7
                then ['1', '2', '3', '4', '5+'][1 + cast(floor(5 * uniform(customer_id, 107)) as integer)]
        end as household_size,
        case
            when uniform(customer_id, 104) < 0.7
                then ['1 Adult Kids', '2 Adults Kids', '1 Adult No Kids', '2 Adults No Kids'][
                    1 + cast(floor(4 * uniform(customer_id, 108)) as integer)
                ]
        end as household_composition
    from (select range as customer_id from range(1, getvariable('customers') + 1))
) to 'customers.parquet';

-- 2,000 products in 60 categories and 12 departments; a fifth are private labels.
copy (
    select
        product_id,
        format('category {:02d}', product_id % 60) as category,
        format('department {:02d}', product_id % 12) as department,
        uniform(product_id, 201) < 0.2 as is_private_label
    from (select range as product_id from range(2000))
) to 'products.parquet';

-- Ten orders per customer on average, of one to five lines, in day order. The probability that an order is of
-- customer rank r falls with r to the power of -2/3 or so: the busiest order some 330 times in 730 days, half of all
-- customers less than 6 times, and 2 % never.
copy (
    select
        1 + (7919 * customer_rank) % getvariable('customers') as customer_id,
        order_id,
        ordered_at,
        cast(cents / 100.0 as decimal(18, 2)) as net_amount,
        case
            when uniform(line, 1) >= 0.002 then cast(floor(2000 * power(uniform(line, 2), 2)) as bigint)
        end as product_id,
        case when uniform(line, 3) < 0.8 then 1 else 2 + cast(floor(3 * uniform(line, 4)) as bigint) end as units,
        cast(
            case when uniform(line, 5) < 0.3 then floor(cents * uniform(line, 6) / 2) / 100.0 else 0 end
            as decimal(18, 2)
        ) as discount_amount,
        cast(case when uniform(line, 7) < 0.02 then least(cents, 50) / 100.0 else 0 end as decimal(18, 2))
            as coupon_amount
    from (
        select
            line,
            order_id,
            cast(
                floor(
                    0.98 * getvariable('customers')
                    * (power(0.1 + 0.9 * uniform(order_id, 301), 3) - 0.001) / 0.999
                )
                as bigint
            ) as customer_rank,
            timestamp '2016-01-02 08:00:00'
            + to_days(cast(order_id * 73 // getvariable('customers') as integer))
            + to_seconds(cast(floor(46800 * uniform(order_id, 302)) as bigint)) as ordered_at,
            50 + cast(floor(exp(7.5 * uniform(line, 8))) as bigint) as cents
        from (
            select
                range as line,
                -- Fifteen lines make five orders, of one, two, three, four and five lines.
                5 * (range // 15)
                + case
                    when range % 15 < 1 then 0
                    when range % 15 < 3 then 1
                    when range % 15 < 6 then 2
                    when range % 15 < 10 then 3
                    else 4
                end as order_id
            from range(30 * getvariable('customers'))
        )
    )
) to 'transactions.parquet';
