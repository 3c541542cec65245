// Declarations: `GET /users/:id` as data, and whether a request's path is one that a declaration speaks of.

/**
 * The word for a route's upgrades, beside the methods: whoever holds the socket is beyond the route, so that `GET /live`
 * does not open them. No client can send it as a method, Node's parser knows none of that name.
 */
export const UPGRADE = 'UPGRADE';

/** One declared route. `segments` of `/a/:b` are `['a', ':b']`; a last segment `*` or `*name` stands for one or more. */
export interface Declaration {
  readonly text: string;
  readonly method: string;
  readonly path: string;
  readonly segments: readonly string[];
  /** No parameter, no wildcard: the path stands for itself alone. */
  readonly literal: boolean;
}

const FORM = /^([A-Z]+) (\/[^\s?#]*)$/;
const LITERAL = /^[\w.~!$&'@,=%+-]*$/;
const PARAMETER = /^:[A-Za-z_]\w*$/;
const WILDCARD = /^\*\w*$/;

/**
 * Reads `METHOD /path`.
 *
 * `METHOD` is one HTTP method in capitals: HEAD and OPTIONS are methods of their own here, `GET /x` does not open them.
 * @throws TypeError that says what was expected, where the text is no declaration
 */
export function readDeclaration(text: string): Declaration {
  const [, method, path] = FORM.exec(text) ?? [];
  if (method === undefined || path === undefined) {
    throw new TypeError(
      `public: expected a method in capitals, one space and a path, like 'GET /health'; got ${JSON.stringify(text)}`,
    );
  }
  const segments = path.slice(1).split('/');
  return { text, method, path, segments, literal: segments.every((segment) => LITERAL.test(segment)) };
}

/**
 * Checks that the path stands for itself alone, as it has to where no route can be compared with a pattern.
 * @throws TypeError that says who has no routes
 */
export function mustBeLiteral(declaration: Declaration, where: string): Declaration {
  if (declaration.literal) return declaration;
  throw new TypeError(
    `public: '${declaration.text}' is no literal path; ${where} no routes that could be compared with a pattern`,
  );
}

/**
 * Checks that the guard itself can match the declared path: segments that are literal, `:name`, or a last `*`.
 * Upgrades go past the application, to whoever listens to the server; their paths are literal.
 * @throws TypeError that names the segment it cannot match
 */
export function mustBeMatchable(declaration: Declaration): Declaration {
  if (declaration.method === UPGRADE) return mustBeLiteral(declaration, 'upgrades have');
  const odd = oddSegment(declaration);
  if (odd === undefined) return declaration;
  throw new TypeError(
    `public: '${declaration.text}' has the segment '${odd}'; a public path is made of literal segments, ':name', and a '*' at its end`,
  );
}

/** The first segment that the guard cannot match itself, if there is one. */
export function oddSegment({ segments }: Declaration): string | undefined {
  const last = segments.length - 1;
  return segments.find((segment, index) => {
    if (segment === '') return index !== last;
    return !LITERAL.test(segment) && !PARAMETER.test(segment) && !(index === last && WILDCARD.test(segment));
  });
}

/** Whether a path (as sent, no query) is one that the declaration speaks of. Letter case and a last `/` matter. */
export function speaksOf({ segments, literal, path }: Declaration, sent: string): boolean {
  if (literal) return path === sent;
  const parts = sent.slice(1).split('/');
  for (const [index, segment] of segments.entries()) {
    const part = parts[index];
    if (part === undefined || part === '')
      return segment === '' && part === '' && parts.length === segments.length;
    if (segment.startsWith('*')) return true;
    if (!segment.startsWith(':') && segment !== part) return false;
  }
  return parts.length === segments.length;
}

/** Looks up what is declared for a method and a path: literal declarations by one look, the others one after the other. */
export function finder(
  declarations: readonly Declaration[],
): (method: string, path: string) => Declaration | undefined {
  const literal = new Map<string, Map<string, Declaration>>();
  const patterns = declarations.filter((each) => !each.literal);
  for (const each of declarations) {
    if (!each.literal) continue;
    const paths = literal.get(each.method) ?? new Map<string, Declaration>();
    literal.set(each.method, paths.set(each.path, each));
  }
  return (method, path) => {
    const found = literal.get(method)?.get(path);
    if (found !== undefined || patterns.length === 0) return found;
    return patterns.find((each) => each.method === method && speaksOf(each, path));
  };
}
