with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

)

select
    {{ published_features() }}
from customer_features
