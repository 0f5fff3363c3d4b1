-- Compiled by `python -m flows.compile` from seg_household.yml: edit that file, not this one.

-- Who lives in the household, from the attributes that 801 of the demo's 2,469 households gave of themselves; the
-- others stay in unknown and are customers all the same.
with customer_features as (

    select * from {{ ref('customer_features') }}

),

decided as (

    select
        customer_features.customer_id,
        customer_features.as_of_date,
        cast('seg_household' as {{ dbt.type_string() }}) as segmentation,
        case
            -- One or two adults with kids.
            when customer_features.household_composition in ('1 Adult Kids', '2 Adults Kids') then 'families'
            -- Without kids at home, and 65 or older.
            when customer_features.age_band = '65+' then 'seniors'
            -- One adult without kids, under 35.
            when
                customer_features.household_composition = '1 Adult No Kids'
                and customer_features.age_band in ('19-24', '25-34')
                then 'young_singles'
            -- Two adults without kids, under 35.
            when
                customer_features.household_composition = '2 Adults No Kids'
                and customer_features.age_band in ('19-24', '25-34')
                then 'young_couples'
            -- One adult without kids, 35 to 64.
            when customer_features.household_composition = '1 Adult No Kids' then 'singles'
            -- Two adults without kids, 35 to 64.
            when customer_features.household_composition = '2 Adults No Kids' then 'couples'
            -- The household told nothing of itself.
            else 'unknown'
        end as segment,
        cast('cde0d9c4d94e' as {{ dbt.type_string() }}) as rule_version,
        -- A bit for each clause that holds, so that moves and explanations can tell which.
        cast(
            case
                when customer_features.household_composition in ('1 Adult Kids', '2 Adults Kids')
                    then 1
                else 0
            end
            + case when customer_features.age_band = '65+' then 2 else 0 end
            + case when customer_features.household_composition = '1 Adult No Kids' then 4 else 0 end
            + case when customer_features.age_band in ('19-24', '25-34') then 8 else 0 end
            + case when customer_features.household_composition = '2 Adults No Kids' then 16 else 0 end
            as bigint
        ) as held_clauses
    from customer_features

)

select * from decided
