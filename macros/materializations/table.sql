{#- dbt-duckdb's table, with the new one put in place of the old one by a single statement of the
    transaction that makes it. dbt-duckdb renames twice and drops the old table in a transaction
    of its own, which takes longer than most models. Grants, indexes and persisted docs are left
    out: nothing here has any. -#}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set language = model['language'] -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set made = make_intermediate_relation(target_relation) -%}
    {{ drop_relation_if_exists(load_cached_relation(made)) }}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main', language=language) -%}
        {{- create_table_as(False, made, compiled_code, language) }}
    {%- endcall %}
    {% call statement('put_in_place') -%}
        {%- if existing is not none -%}
            drop {{ existing.type }} if exists {{ existing }};
        {%- endif -%}
        alter table {{ made }} rename to {{ adapter.quote(target_relation.identifier) }};
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
