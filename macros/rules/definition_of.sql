{#- A segmentation as its YAML defines it, parsed and checked:
    {name, label, description, owner, status, challenger_of, confirm_days,
    frozen_on, builds_on, rule_version, clauses, segments: [{name, label, position,
    rule, rule_json, rule_text, is_default, is_immediate, share, description, persona,
    persona_claims, owner, strategy}]}. Known while `execute` is true; mistakes raise.
    Many models of a run ask for it: it is read once and kept with the graph, which
    one call of dbt has one of. -#}
{% macro definition_of(name, features=none) %}
    {%- set kept = graph.setdefault('definitions', {}) -%}
    {%- if name not in kept -%}
        {%- do kept.update({name: read_definition(name, features)}) -%}
    {%- endif -%}
    {{ return(kept[name]) }}
{% endmacro %}

{% macro read_definition(name, features) %}
    {%- set node = graph.nodes.get('model.' ~ project_name ~ '.' ~ name) -%}
    {%- set where = 'Segmentation ' ~ name -%}
    {%- if not node -%}
        {{ exceptions.raise_compiler_error(where ~ ": vars: segmentations names it, but there is no model "
            ~ "models/segmentations/" ~ name ~ ".sql. Add it, or take the name out.") }}
        {{ return(none) }}
    {%- endif -%}
    {%- set meta = segmentation_meta(name) -%}
    {%- if not meta -%}
        {{ exceptions.raise_compiler_error(where ~ ": its YAML has no config: meta: segmentation with its rules.") }}
        {{ return(none) }}
    {%- endif -%}
    {%- do refuse_unknown_keys(meta, [
        'label', 'owner', 'status', 'challenger_of', 'confirm_days', 'cut_points', 'protected_reasons', 'segments',
    ], where) -%}
    {%- set status = meta.get('status', 'active') -%}
    {%- set confirm_days = meta.get('confirm_days', 1) -%}
    {%- if not meta.get('owner') or meta.owner is string and not meta.owner | trim -%}
        {{ exceptions.raise_compiler_error(where ~ ': it has no owner. Give the address of a role, such as owner: crm-lead@example.com.') }}
    {%- elif status not in ['active', 'challenger', 'retired'] -%}
        {{ exceptions.raise_compiler_error(where ~ ": status is '" ~ status ~ "'; it can be active, challenger or retired.") }}
    {%- elif confirm_days is not integer or confirm_days is boolean or confirm_days < 1 or confirm_days > 366 -%}
        {{ exceptions.raise_compiler_error(where ~ ": confirm_days is '" ~ confirm_days ~ "'; it is a whole number of days, from 1 to 366.") }}
    {%- elif not meta.get('segments') -%}
        {{ exceptions.raise_compiler_error(where ~ ': it has no segments.') }}
    {%- elif not segments_in(meta) or segments_in(meta) | length < meta.segments | length or segments_in(meta) | rejectattr('name', 'string') | list -%}
        {{ exceptions.raise_compiler_error(where ~ ': segments is a list in which every segment has a name.') }}
    {%- endif -%}
    {%- do refuse_other_than_text(meta, ['label', 'owner'], where) -%}
    {%- do check_challenge(name, status, meta.get('challenger_of'), where) -%}
    {%- set frozen_on = frozen_date(meta, where) -%}
    {%- set builds_on = segmentations_below(name) -%}
    {%- set all_features = features or known_features() -%}
    {%- set features = features_allowed(all_features, meta, frozen_on, where) or all_features -%}

    {%- set clauses = [] -%}
    {%- set segments = [] -%}
    {%- for segment in segments_in(meta) -%}
        {%- set here = where ~ ', segment ' ~ (segment.name or loop.index) -%}
        {%- do refuse_unknown_keys(segment, [
            'name', 'label', 'description', 'rule', 'share', 'immediate', 'persona', 'persona_claims', 'owner',
            'strategy',
        ], here) -%}
        {%- if not modules.re.fullmatch('[a-z][a-z0-9_]{0,62}', segment.name) -%}
            {{ exceptions.raise_compiler_error(here ~ ": a segment's name is lower case letters, digits and _, beginning with a letter.") }}
        {%- elif segment.name in segments | map(attribute='name') -%}
            {{ exceptions.raise_compiler_error(here ~ ': the name is used twice.') }}
        {%- elif loop.last and 'rule' in segment -%}
            {{ exceptions.raise_compiler_error(here ~ ': the last segment takes everybody whom no rule took, so it has no rule.') }}
        {%- elif not loop.last and 'rule' not in segment -%}
            {{ exceptions.raise_compiler_error(here ~ ': it has no rule, so it takes everybody and nothing may come after it.') }}
        {%- elif not segment.get('description') -%}
            {{ exceptions.raise_compiler_error(here ~ ': it has no description.') }}
        {%- elif segment.get('immediate', false) is not boolean -%}
            {{ exceptions.raise_compiler_error(here ~ ": immediate is '" ~ segment.immediate ~ "'; it can be true or false.") }}
        {%- elif segment.get('strategy', {}) is not mapping -%}
            {{ exceptions.raise_compiler_error(here ~ ": strategy says approach, offer and channels by name, not '" ~ segment.strategy ~ "'.") }}
        {%- endif -%}
        {%- do refuse_other_than_text(segment, ['label', 'description', 'persona', 'owner'], here) -%}
        {%- set strategy = segment.get('strategy', {}) if segment.get('strategy', {}) is mapping else {} -%}
        {%- do refuse_unknown_keys(strategy, ['approach', 'offer', 'channels'], here ~ ', strategy') -%}
        {%- set rule = parse_rule(segment.rule, features, clauses, here) if 'rule' in segment else none -%}
        {%- do segments.append({
            'name': segment.name,
            'label': segment.get('label', segment.name | replace('_', ' ') | capitalize),
            'position': loop.index,
            'is_default': rule is none,
            'is_immediate': segment.get('immediate', false),
            'share': share_limits(segment.get('share'), here),
            'rule': rule,
            'rule_json': tojson(segment.rule) if rule else none,
            'rule_text': rule_text(rule, clauses) if rule else 'everybody else',
            'description': segment.description,
            'persona': segment.get('persona'),
            'persona_claims': parse_persona_claims(segment.get('persona_claims', {}), all_features, here),
            'owner': segment.get('owner', meta.owner),
            'strategy': strategy,
        }) -%}
    {%- endfor -%}
    {%- if clauses | length > 62 -%}
        {{ exceptions.raise_compiler_error(where ~ ': it has ' ~ clauses | length ~ ' different clauses; 62 are the most. Split it into two segmentations.') }}
    {%- endif -%}

    {#- What decides: the rules in order, and what they rest on. -#}
    {%- set deciding = [] -%}
    {%- for segment in segments -%}
        {%- do deciding.append(segment.name ~ ': ' ~ segment.rule_text) -%}
    {%- endfor -%}
    {%- if frozen_on -%}
        {%- do deciding.append('frozen on ' ~ frozen_on) -%}
    {%- endif -%}
    {%- for other in builds_on -%}
        {%- do deciding.append(other ~ ' ' ~ definition_of(other).rule_version) -%}
    {%- endfor -%}
    {{ return({
        'name': name,
        'label': meta.get('label', name | replace('seg_', '') | replace('_', ' ') | capitalize),
        'description': node.description,
        'owner': meta.owner,
        'status': status,
        'challenger_of': meta.get('challenger_of'),
        'confirm_days': confirm_days,
        'frozen_on': frozen_on,
        'builds_on': builds_on,
        'rule_version': local_md5(deciding | join('\n'))[:12],
        'clauses': clauses,
        'segments': segments,
    }) }}
{% endmacro %}

{#- The limits of a segment's share of the customers, {minimum, maximum, reason}; none if it
    has no limits of its own. -#}
{% macro share_limits(share, where) %}
    {%- if share is none or share is undefined -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set wanted = where ~ ': share limits the share of the customers, `share: {minimum: 0, maximum: 0.5, reason: ...}`: shares are from 0 to 1, the '
        ~ "lower one first, and the reason is text; not '" ~ share ~ "'." -%}
    {%- if share is not mapping -%}
        {{ exceptions.raise_compiler_error(wanted) }}
        {{ return(none) }}
    {%- endif -%}
    {%- do refuse_unknown_keys(share, ['minimum', 'maximum', 'reason'], where ~ ', share') -%}
    {%- set least, most = share.get('minimum', 0), share.get('maximum', 1) -%}
    {%- if least is not number or most is not number or least is boolean or most is boolean or not 0 <= least <= most <= 1
        or share.get('reason') is not string or not share.reason | trim -%}
        {{ exceptions.raise_compiler_error(wanted) }}
    {%- endif -%}
    {{ return({'minimum': least, 'maximum': most, 'reason': share.reason}) }}
{% endmacro %}

{#- Raises where a mapping of the YAML has a key that nothing reads. -#}
{% macro refuse_unknown_keys(mapping, known, where) %}
    {%- for key in mapping if key not in known -%}
        {{ exceptions.raise_compiler_error(where ~ ": '" ~ key ~ "' means nothing here. Did you mean '" ~ nearest_name(key | string, known) ~ "'?") }}
    {%- endfor -%}
{% endmacro %}

{#- Raises where something that people read is given as another thing than text. -#}
{% macro refuse_other_than_text(mapping, names, where) %}
    {%- for name in names if mapping.get(name) is not none and mapping.get(name) is not string -%}
        {{ exceptions.raise_compiler_error(where ~ ': ' ~ name ~ " is text, not '" ~ mapping[name] ~ "'.") }}
    {%- endfor -%}
{% endmacro %}

{#- The day as of which the cut points of a segmentation are frozen, as text; none
    where each day has its own. -#}
{% macro frozen_date(meta, where) %}
    {%- set cut_points = meta.get('cut_points') -%}
    {%- if cut_points is none or cut_points is undefined -%}
        {{ return(none) }}
    {%- endif -%}
    {%- if cut_points is not mapping or (cut_points | list) != ['frozen_on'] -%}
        {{ exceptions.raise_compiler_error(where ~ ": cut_points says on which day they are frozen, `cut_points: {frozen_on: 2017-06-30}`, not '" ~ cut_points ~ "'.") }}
        {{ return(none) }}
    {%- endif -%}
    {%- set day = cut_points.frozen_on | string -%}
    {%- if not is_iso_date(day) -%}
        {{ exceptions.raise_compiler_error(where ~ ": cut_points: frozen_on is '" ~ day ~ "', which is no day of the calendar; write it as YYYY-MM-DD.") }}
    {%- elif day < first_kept_day(otherwise='') -%}
        {{ exceptions.raise_compiler_error(where ~ ': cut points cannot be frozen on ' ~ day ~ ', before the history begins (' ~ first_kept_day(otherwise='') ~ ').') }}
    {%- endif -%}
    {{ return(day) }}
{% endmacro %}

{#- The features as one segmentation may use them: protected ones where it says why,
    and scores by the frozen cut points where it has such. -#}
{% macro features_allowed(features, meta, frozen_on, where) %}
    {%- set allowed = dict(features) -%}
    {%- set reasons = meta.get('protected_reasons', {}) -%}
    {%- if reasons is not mapping -%}
        {{ exceptions.raise_compiler_error(where ~ ": protected_reasons gives a reason for each attribute, `protected_reasons: {gender: ...}`, not '" ~ reasons ~ "'.") }}
    {%- endif -%}
    {%- for feature, reason in reasons.items() -%}
        {%- if feature not in features -%}
            {{ exceptions.raise_compiler_error(where ~ ": protected_reasons names '" ~ feature ~ "', but there is no such feature. Did you mean '" ~ nearest_name(feature, features) ~ "'?") }}
        {%- elif reason is not string or not reason | trim -%}
            {{ exceptions.raise_compiler_error(where ~ ": protected_reasons of '" ~ feature ~ "' is empty; write down why the rule may use it, for those who will ask.") }}
        {%- endif -%}
        {%- do allowed.update({feature: dict(features[feature], protected=false)}) -%}
    {%- endfor -%}
    {%- if frozen_on -%}
        {%- for name in score_values('customer_features') if name ~ '_score' in features -%}
            {%- set value = 'case when customer_features.orders_365d > 0 then ' ~ (score(name, score_values('customer_features')[name]) | trim) ~ ' end' -%}
            {%- do allowed.update({name ~ '_score': dict(features[name ~ '_score'], value=value)}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(allowed) }}
{% endmacro %}

{#- Raises unless a challenger, and no other segmentation, names an active one that it
    challenges. -#}
{% macro check_challenge(name, status, challenged, where) %}
    {%- if status != 'challenger' -%}
        {%- if challenged -%}
            {{ exceptions.raise_compiler_error(where ~ ": its status is " ~ status ~ ", but challenger_of is for challengers. Take it out, or write status: challenger.") }}
        {%- endif -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set challenged_status = segmentation_meta(challenged).get('status', 'active') -%}
    {%- if challenged == name -%}
        {{ exceptions.raise_compiler_error(where ~ ": challenger_of names the segmentation itself. Name the active one that it is to be compared with.") }}
    {%- elif challenged not in var('segmentations') -%}
        {%- set others = var('segmentations') | reject('equalto', name) | list -%}
        {{ exceptions.raise_compiler_error(where ~ ": a challenger names the segmentation that it challenges, but challenger_of is '" ~ (challenged or '')
            ~ "'." ~ (" Did you mean '" ~ nearest_name((challenged or '') | string, others) ~ "'?" if others else '')) }}
    {%- elif challenged_status != 'active' -%}
        {{ exceptions.raise_compiler_error(where ~ ": it challenges " ~ challenged ~ ", which is not active but " ~ challenged_status
            ~ ". Name an active segmentation instead.") }}
    {%- endif -%}
{% endmacro %}
