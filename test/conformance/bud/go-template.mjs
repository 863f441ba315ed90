/** Go's text/template, as far as tests ask with it: fields, index, len, printf, range, if. */

export function renderTemplate(template, data) {
  const { nodes } = parse(template.split(/(\{\{[^]*?\}\})/), 0);
  return print(nodes, { dot: data, variables: {} });
}

/** Nodes up to `{{end}}`: text, an expression, or a range or condition with nodes of its own. */
function parse(pieces, start) {
  const nodes = [];
  for (let index = start; index < pieces.length; index++) {
    const code = /^\{\{-?\s*([^]*?)\s*-?\}\}$/.exec(pieces[index])?.[1];
    if (code === undefined) nodes.push({ text: pieces[index] });
    else if (code === 'end') return { nodes, end: index };
    else if (code.startsWith('range ')) {
      const body = parse(pieces, index + 1);
      nodes.push({ range: code.slice(6), body: body.nodes });
      index = body.end;
    } else if (code.startsWith('if ')) {
      const body = parse(pieces, index + 1);
      nodes.push({ condition: code.slice(3), body: body.nodes });
      index = body.end;
    } else nodes.push({ code });
  }
  return { nodes, end: pieces.length };
}

function print(nodes, scope) {
  return nodes
    .map((node) => {
      if (node.text !== undefined) return node.text;
      if (node.range !== undefined) return printRange(node, scope);
      if (node.condition !== undefined) return evaluate(node.condition, scope) ? print(node.body, scope) : '';
      return show(evaluate(node.code, scope));
    })
    .join('');
}

function printRange({ range, body }, scope) {
  const [, names = '', source = range] = /^(\$\w+(?:,\s*\$\w+)?)\s*:=\s*(.*)$/.exec(range) ?? [];
  const items = evaluate(source, scope) ?? [];
  const [key, value = key] = names.split(/,\s*/);
  return Object.entries(items)
    .map(([index, item]) =>
      print(body, { dot: item, variables: { ...scope.variables, [key]: index, [value]: item } }),
    )
    .join('');
}

function evaluate(code, scope) {
  const [first, ...rest] = code.match(/"(?:[^"\\]|\\.)*"|\([^)]*\)|\S+/g).map((word) => word);
  const values = rest.map((word) => operand(word, scope));
  switch (first) {
    case 'index':
      return values.slice(1).reduce((value, key) => value?.[key], values[0]) ?? '';
    case 'len':
      return Object.keys(values[0] ?? {}).length;
    case 'json':
      return JSON.stringify(values[0]);
    case 'println':
      return `${values.map(show).join(' ')}\n`;
    case 'printf':
      return values[0].replace(/%[qdsv]/g, (verb) => {
        const value = values.splice(1, 1)[0];
        return verb === '%q' ? quote(value) : show(value);
      });
    default:
      return operand(first, scope);
  }
}

function operand(word, scope) {
  if (word.startsWith('"')) return JSON.parse(word);
  if (word.startsWith('(')) return evaluate(word.slice(1, -1), scope);
  if (/^\d+$/.test(word)) return Number(word);
  const [head, ...fields] = word.split('.');
  const top = head === '' ? scope.dot : head === '$' ? scope.dot : scope.variables[head];
  return fields.filter((field) => field !== '').reduce((value, field) => value?.[field], top);
}

/** As `%v`. */
function show(value) {
  if (value === undefined) return '<no value>';
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`;
  if (typeof value === 'object')
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${key}:${isNothing(value[key]) ? '{}' : show(value[key])}`)
      .join(' ')}]`;
  return String(value);
}

/** What the values of sets are: ports, volumes. */
const isNothing = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

function quote(value) {
  if (Array.isArray(value)) return `[${value.map(quote).join(' ')}]`;
  if (typeof value === 'object' && value !== null)
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${quote(key)}:${quote(value[key])}`)
      .join(' ')}]`;
  return value === undefined ? '[]' : JSON.stringify(value);
}
