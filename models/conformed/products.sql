with united as (
    {{ unite('products', ['product_id', 'department', 'category', 'is_private_label']) }}

)

select * from united
