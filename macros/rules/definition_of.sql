{#- A segmentation as its YAML defines it, parsed and checked:
    {name, label, description, owner, status, challenger_of, confirm_days,
    rule_version, clauses, segments: [{name, label, position, rule, rule_text,
    is_default, description, persona, owner, strategy}]}.
    Known while `execute` is true; mistakes raise. -#}
{% macro definition_of(name, features=none) %}
    {%- set node = graph.nodes.get('model.' ~ project_name ~ '.' ~ name) -%}
    {%- set where = 'Segmentation ' ~ name -%}
    {%- if not node -%}
        {{ exceptions.raise_compiler_error(where ~ ": vars: segmentations names it, but there is no model "
            ~ "models/segmentations/" ~ name ~ ".sql. Add it, or take the name out.") }}
    {%- endif -%}
    {%- set meta = node.config.meta.get('segmentation') -%}
    {%- if not meta -%}
        {{ exceptions.raise_compiler_error(where ~ ": its YAML has no config: meta: segmentation with its rules.") }}
    {%- endif -%}
    {%- set features = features or known_features() -%}
    {%- set status = meta.get('status', 'active') -%}
    {%- set confirm_days = meta.get('confirm_days', 1) -%}
    {%- if not meta.get('owner') -%}
        {{ exceptions.raise_compiler_error(where ~ ': it has no owner. Give the address of a role, such as owner: crm-lead@example.com.') }}
    {%- elif status not in ['active', 'challenger', 'retired'] -%}
        {{ exceptions.raise_compiler_error(where ~ ": status is '" ~ status ~ "'; it can be active, challenger or retired.") }}
    {%- elif confirm_days is not integer or confirm_days < 1 -%}
        {{ exceptions.raise_compiler_error(where ~ ": confirm_days is '" ~ confirm_days ~ "'; it is a whole number of days, at least 1.") }}
    {%- elif not meta.get('segments') -%}
        {{ exceptions.raise_compiler_error(where ~ ': it has no segments.') }}
    {%- endif -%}

    {%- set clauses = [] -%}
    {%- set segments = [] -%}
    {%- for segment in meta.segments -%}
        {%- set here = where ~ ', segment ' ~ (segment.name or loop.index) -%}
        {%- if not modules.re.match('^[a-z][a-z0-9_]{0,62}$', segment.name or '') -%}
            {{ exceptions.raise_compiler_error(here ~ ": a segment's name is lower case letters, digits and _, beginning with a letter.") }}
        {%- elif segment.name in segments | map(attribute='name') -%}
            {{ exceptions.raise_compiler_error(here ~ ': the name stands twice.') }}
        {%- elif loop.last and 'rule' in segment -%}
            {{ exceptions.raise_compiler_error(here ~ ': the last segment takes everybody whom no rule took, so it has no rule.') }}
        {%- elif not loop.last and 'rule' not in segment -%}
            {{ exceptions.raise_compiler_error(here ~ ': it has no rule, so it takes everybody and nothing may come after it.') }}
        {%- elif not segment.get('description') -%}
            {{ exceptions.raise_compiler_error(here ~ ': it has no description.') }}
        {%- endif -%}
        {%- set rule = parse_rule(segment.rule, features, clauses, here) if 'rule' in segment else none -%}
        {%- do segments.append({
            'name': segment.name,
            'label': segment.get('label', segment.name | replace('_', ' ') | capitalize),
            'position': loop.index,
            'is_default': rule is none,
            'rule': rule,
            'rule_text': rule_text(rule, clauses) if rule else 'everybody else',
            'description': segment.description,
            'persona': segment.get('persona'),
            'owner': segment.get('owner', meta.owner),
            'strategy': segment.get('strategy', {}),
        }) -%}
    {%- endfor -%}
    {%- if clauses | length > 62 -%}
        {{ exceptions.raise_compiler_error(where ~ ': it has ' ~ clauses | length ~ ' different clauses; 62 are the most. Split it into two segmentations.') }}
    {%- endif -%}

    {%- set ordered_rules = [] -%}
    {%- for segment in segments -%}
        {%- do ordered_rules.append(segment.name ~ ': ' ~ segment.rule_text) -%}
    {%- endfor -%}
    {{ return({
        'name': name,
        'label': meta.get('label', name | replace('seg_', '') | replace('_', ' ') | capitalize),
        'description': node.description,
        'owner': meta.owner,
        'status': status,
        'challenger_of': meta.get('challenger_of'),
        'confirm_days': confirm_days,
        'rule_version': local_md5(ordered_rules | join('\n'))[:12],
        'clauses': clauses,
        'segments': segments,
    }) }}
{% endmacro %}
