{#- One clause, `feature operator value`, as {feature, data_type, value, operator,
    literals, percentiles, text}, or {error} with what is wrong with it.
    `features` is what known_features gives. `value` and literals are SQL; nothing
    of the clause's own text gets into them but numbers, dates and quoted text. -#}
{% macro parse_clause(text, features) %}
    {%- set form = '^([A-Za-z_][A-Za-z0-9_]*)(?:\s*(>=|<=|!=|=|<|>)\s*|\s+(between|not\s+in|in|is\s+not\s+null|is\s+null)(?![A-Za-z0-9_])\s*)(.*)$' -%}
    {%- set match = modules.re.match(form, text | string | trim) -%}
    {%- if not match or modules.re.match('[=<>!~]', match.group(4)) -%}
        {{ return({'error': clause_form_error(text | string | trim)}) }}
    {%- endif -%}
    {%- set feature = match.group(1) -%}
    {%- set operator = modules.re.sub('\s+', ' ', match.group(2) or match.group(3)) -%}
    {%- set rest = match.group(4) | trim -%}

    {%- if feature not in features -%}
        {{ return({'error': "there is no feature '" ~ feature ~ "'. Did you mean '" ~ nearest_name(feature, features) ~ "'?"}) }}
    {%- endif -%}
    {%- if features[feature].protected -%}
        {{ return({'error': "'" ~ feature ~ "' is a protected attribute; a rule may use it only where the segmentation says why, under protected_reasons: {" ~ feature ~ ": ...}"}) }}
    {%- endif -%}
    {%- set kind = feature_kind(features[feature].data_type) -%}

    {%- set raw_values = [] -%}
    {%- if operator in ['is null', 'is not null'] -%}
        {%- if rest -%}
            {{ return({'error': "nothing may follow '" ~ operator ~ "', but there is '" ~ rest ~ "'"}) }}
        {%- endif -%}
    {%- elif operator == 'between' -%}
        {%- set bounds = modules.re.match("^(\S+)\s+and\s+(\S+)$", rest) -%}
        {%- if not bounds -%}
            {{ return({'error': "between takes two values, `between 1 and 5`, but there is '" ~ rest ~ "'"}) }}
        {%- endif -%}
        {%- do raw_values.extend([bounds.group(1), bounds.group(2)]) -%}
    {%- elif operator in ['in', 'not in'] -%}
        {%- set listed = modules.re.match("^(?:\((.*)\)|\[(.*)\])$", rest) -%}
        {%- if not listed -%}
            {{ return({'error': "'" ~ operator ~ "' takes a list, `" ~ operator ~ " (a, b)`, but there is '" ~ rest ~ "' (in a YAML [list], put a clause with commas in quotes)"}) }}
        {%- endif -%}
        {%- set inner = listed.group(1) or listed.group(2) or '' -%}
        {%- if not modules.re.fullmatch("\s*(?:'[^']*'|[^',]*[^',\s][^',]*)(?:\s*,\s*(?:'[^']*'|[^',]*[^',\s][^',]*))*\s*", inner) -%}
            {{ return({'error': "'" ~ inner ~ "' is not a list of values with commas between them"}) }}
        {%- endif -%}
        {%- do raw_values.extend(modules.re.findall("'[^']*'|[^',]*[^', ][^',]*", inner) | map('trim') | list) -%}
    {%- else -%}
        {%- do raw_values.append(rest) -%}
    {%- endif -%}

    {%- if kind in ['text', 'boolean'] and operator in ['<', '<=', '>', '>=', 'between'] -%}
        {{ return({'error': "'" ~ feature ~ "' is " ~ kind ~ ", which has no order; use =, !=, in or not in"}) }}
    {%- endif -%}

    {%- set literals = [] -%}
    {%- set percentiles = [] -%}
    {%- set words = [] -%}
    {%- for value in raw_values -%}
        {%- set percentile = modules.re.fullmatch('p([1-9][0-9]?)', value) -%}
        {%- if percentile and kind == 'number' and operator in ['<', '<=', '>', '>='] -%}
            {%- do percentiles.append(percentile.group(1) | int) -%}
            {%- do literals.append('rule_cut_points.' ~ feature ~ '_' ~ value) -%}
        {%- elif kind == 'number' and modules.re.fullmatch('-?[0-9]{1,15}(?:\.[0-9]{1,9})?', value) -%}
            {%- do literals.append(value) -%}
        {%- elif kind == 'date' and is_iso_date(value) -%}
            {%- do literals.append("cast('" ~ value ~ "' as date)") -%}
        {%- elif kind == 'boolean' and value in ['true', 'false'] -%}
            {%- do literals.append(value) -%}
        {%- elif kind == 'text' and (modules.re.fullmatch('(?i)null|none|p[0-9]{1,2}', value) or modules.re.search('(?i)\s(and|or|not|in|is|between)\s', value)) and value[0] != "'" -%}
            {{ return({'error': "'" ~ value ~ "' is text here. Put it in quotes if that is meant; else write `is null`, and one clause for each condition, under all or any"}) }}
        {%- elif kind == 'text' and modules.re.fullmatch("'[^'\\\\{}\x00-\x1f\x7f]*'", value) -%}
            {%- do literals.append(value) -%}
        {%- elif kind == 'text' and modules.re.fullmatch("[A-Za-z0-9_+.][A-Za-z0-9_+. -]*", value) and '--' not in value -%}
            {%- do literals.append("'" ~ value ~ "'") -%}
        {%- else -%}
            {%- set expected = {
                'number': 'a number such as 12.5, or for < <= > >= a percentile p1 to p99',
                'date': 'a date such as 2017-12-31',
                'boolean': 'true or false',
                'text': "text such as 'Married'",
            }[kind] -%}
            {{ return({'error': "'" ~ feature ~ "' is of type " ~ features[feature].data_type ~ ", so its value must be " ~ expected ~ ", not '" ~ value ~ "'"}) }}
        {%- endif -%}
        {#- However it was spelt: texts in quotes. -#}
        {%- do words.append(literals[-1] if kind == 'text' else value) -%}
    {%- endfor -%}
    {%- if operator == 'between' and kind == 'number' and (raw_values[0] | float) > (raw_values[1] | float)
        or operator == 'between' and kind == 'date' and raw_values[0] > raw_values[1] -%}
        {{ return({'error': 'between ' ~ raw_values[0] ~ ' and ' ~ raw_values[1] ~ ' holds for nothing; the lower value comes first'}) }}
    {%- endif -%}

    {%- set values = '(' ~ (words | join(', ')) ~ ')' if operator in ['in', 'not in'] else words | join(' and ') -%}
    {{ return({
        'feature': feature,
        'data_type': features[feature].data_type | lower,
        'value': features[feature].value,
        'operator': operator,
        'literals': literals,
        'percentiles': percentiles,
        'text': [feature, operator, values] | select | join(' '),
    }) }}
{% endmacro %}

{#- What is wrong with a clause that is not of the form at all. -#}
{% macro clause_form_error(text) %}
    {%- set form = "operators are = != < <= > >=, between, in, not in, is null, is not null" -%}
    {%- set match = modules.re.match('^[A-Za-z_][A-Za-z0-9_]*(?:\s*([=<>!~]+)|\s+([A-Za-z]+(?:\s+(?:null|in|like|between|not\s+null)(?![A-Za-z0-9_]))?))', text) -%}
    {%- if not match -%}
        {{ return('it is not of the form `feature operator value`; ' ~ form) }}
    {%- endif -%}
    {%- set operator = match.group(1) or match.group(2) -%}
    {%- set meant = {'==': '=', '=>': '>=', '=<': '<=', '<>': '!=', '=!': '!=', '<<': '<', '>>': '>', 'like': '=', 'is': 'is null'}.get(operator | lower)
        or nearest_name(operator, ['between', 'in', 'not in', 'is null', 'is not null']) -%}
    {{ return("'" ~ operator ~ "' is no operator. Did you mean '" ~ meant ~ "'? The " ~ form) }}
{% endmacro %}
