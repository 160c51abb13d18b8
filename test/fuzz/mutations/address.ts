import type { Random } from '../../chaos/random.js';
import { ADDRESS_TEXT } from '../canaries.js';
import { assemble, type Draft, HOST, type Mutation, pathText, queryText, type Wire } from '../draft.js';
import { oddText } from './odd-values.js';

/** Escapes that decode to invalid text, or to another path. */
const ESCAPES = [
  ...[
    '%',
    '%2',
    '%zz',
    '%00',
    '%0d%0a',
    '%ff',
    '%c0%af',
    '%ed%a0%80',
    '%e2%82',
    '%u0041',
    '%25',
    '%2500',
    '%2F',
    '%5c',
  ],
  ...[
    '\xff',
    '\xe9',
    '\x80\xfe',
    '%F0%9F%98%80',
    '+',
    '%2e%2e',
    '..',
    '.',
    '...',
    '~',
    ';x=1',
    ':',
    '@',
    '!',
    '*',
    '|',
    '"',
  ],
  ...['<>', '{}', '[', '\\', '^', '`', '#f', "'", ',', '=', '&', '$'],
];
const METHODS = [
  ...[
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'PATCH',
    'DELETE',
    'OPTIONS',
    'TRACE',
    'PROPFIND',
    'SEARCH',
    'PURGE',
    'LINK',
  ],
  ...['CONNECT', 'FOO', 'get', 'G', 'A'.repeat(500)],
];
const MALFORMED = [400, 404, 405, 414, 431] as const;

const withQuery = (draft: Draft, query: string): Wire => {
  const wire = assemble({ ...draft, query: [] });
  return { ...wire, target: `${wire.target}${query === '' ? '' : `?${query}`}` };
};

const hasPathValue = ({ pathValues }: Draft): boolean => Object.keys(pathValues).length > 0;
const hasQuery = ({ query, operation }: Draft): boolean =>
  query.length > 0 || operation.parameters.some((one) => one.in === 'query');

/** A name of the query, of the request or of the document. */
function someName({ query, operation }: Draft, random: Random): string {
  const documented = operation.parameters.filter((one) => one.in === 'query').map(({ name }) => name);
  return random.pick([...query.map(([name]) => name), ...documented, 'extra']);
}

/** Text for a value in an address; never a name pattern, since orders to workers would match it. */
function oddValue(random: Random): string {
  return oddText(random, random.chance(0.3) ? ADDRESS_TEXT : '').replace(/[*?]/g, '_');
}

/** Faults of method, path and query. */
export const ADDRESS_MUTATIONS: readonly Mutation[] = [
  {
    name: 'another method',
    fits: () => true,
    apply: (draft, random) => {
      const method = random.pick(METHODS.filter((one) => one !== draft.method));
      const wire = assemble({ ...draft, method });
      // An unknown method ends the connection; after CONNECT there is no HTTP.
      const last = method === 'CONNECT' || method.length > 10 || ['FOO', 'G', 'get'].includes(method);
      return { wire: { ...wire, last }, early: last ? [400] : [], silent: method === 'CONNECT' };
    },
  },
  {
    name: 'an odd value in the path',
    fits: hasPathValue,
    apply: (draft, random) => {
      const name = random.pick(Object.keys(draft.pathValues));
      const pathValues = { ...draft.pathValues, [name]: oddValue(random) };
      return { wire: assemble({ ...draft, pathValues }), early: MALFORMED };
    },
  },
  {
    name: 'an odd escape in the path',
    fits: hasPathValue,
    apply: (draft, random) => {
      const path = pathText(draft);
      const at = random.int(path.lastIndexOf('/') + 1, path.length);
      const code = random.pick(ESCAPES.filter((one) => one !== '*'));
      const query = queryText(draft.query);
      const target = `${path.slice(0, at)}${code}${path.slice(at)}${query === '' ? '' : `?${query}`}`;
      return { wire: { ...assemble(draft), target }, early: MALFORMED };
    },
  },
  {
    name: 'another form of the path',
    fits: () => true,
    apply: (draft, random) => {
      const { target } = assemble(draft);
      const forms = [
        `/${target}`,
        target.replace('?', '/?'),
        `${target}/`,
        target.replace('/', '/./'),
        `/x/..${target}`,
        target.replace('/v', '/V'),
        `http://${HOST}${target}`,
        `http://evil.example.com${target}`,
        target.slice(1),
        '*',
        '',
        `${target}#fragment`,
        `${target} HTTP/1.1 extra`,
        `/\xff${target}`,
        target.replace(/^\/[^/?]*/, (first) => `/%${first.charCodeAt(1).toString(16)}${first.slice(2)}`),
      ];
      return { wire: { ...assemble(draft), target: random.pick(forms), last: true }, early: MALFORMED };
    },
  },
  {
    name: 'an odd value in the query',
    fits: hasQuery,
    apply: (draft, random) => {
      const name = someName(draft, random);
      const rest = draft.query.filter(([one]) => one !== name);
      return { wire: assemble({ ...draft, query: [...rest, [name, oddValue(random)]] }), early: [414, 431] };
    },
  },
  {
    name: 'an odd escape in the query',
    fits: () => true,
    apply: (draft, random) => {
      const query = queryText(draft.query);
      const name = encodeURIComponent(someName(draft, random));
      const odd = random.pick([
        `${name}=${random.pick(ESCAPES)}`,
        random.pick(ESCAPES),
        `${name}`,
        `=${name}`,
        '&&',
        '=',
        '?',
      ]);
      return { wire: withQuery(draft, query === '' ? odd : `${query}&${odd}`), early: MALFORMED };
    },
  },
  {
    name: 'a parameter twice',
    fits: hasQuery,
    apply: (draft, random) => {
      const name = someName(draft, random);
      const [, value = '1'] = draft.query.find(([one]) => one === name) ?? [];
      const query = [...draft.query, [name, value] as const, [name, oddValue(random)] as const];
      return { wire: assemble({ ...draft, query }), early: [414, 431] };
    },
  },
  {
    name: 'a parameter as a list or a field',
    fits: hasQuery,
    apply: (draft, random) => {
      const name = someName(draft, random);
      const form = random.pick([
        `${name}[]`,
        `${name}[0]`,
        `${name}[a]`,
        `${name}.a`,
        `${name}[__proto__]`,
        '__proto__',
      ]);
      return { wire: assemble({ ...draft, query: [...draft.query, [form, '1']] }) };
    },
  },
  {
    name: 'a parameter that is not documented',
    fits: () => true,
    apply: (draft, random) => {
      const name = random.pick(['extra', '', 'Model', '$where', 'constructor', 'limit ', ADDRESS_TEXT]);
      return { wire: assemble({ ...draft, query: [...draft.query, [name, ADDRESS_TEXT]] }) };
    },
  },
  {
    name: 'a parameter is missing',
    fits: ({ query }) => query.length > 0,
    apply: (draft, random) => {
      const at = random.int(0, draft.query.length - 1);
      return { wire: assemble({ ...draft, query: draft.query.filter((_, i) => i !== at) }) };
    },
  },
  {
    name: 'many parameters',
    fits: () => true,
    apply: (draft, random) => {
      const count = random.pick([100, 1500, 8000]);
      const query = Array.from({ length: count }, (_, i) => `p${i}=1`).join('&');
      return { wire: { ...withQuery(draft, query), last: true }, early: [400, 414, 431] };
    },
  },
];
