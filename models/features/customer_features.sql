{{ config(materialized='view', contract={'enforced': true}) }}

{{ features_of('customer_measures') }}
