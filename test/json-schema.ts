// A validator for the part of JSON Schema that docs/JSON.md uses; a keyword that it does not know is an error.
import { readFileSync } from 'node:fs';

export type Schema = Readonly<Record<string, unknown>>;

/** The schema that docs/JSON.md has under this name. */
export function documentedSchema(name: string): Schema {
  const text = readFileSync(new URL('../docs/JSON.md', import.meta.url), 'utf8');
  const [, body] = new RegExp(`\`\`\`json schema=${name}\\n([\\s\\S]*?)\\n\`\`\``).exec(text) ?? [];
  if (body === undefined) throw new Error(`docs/JSON.md has no schema ${name}`);
  return JSON.parse(body) as Schema;
}

/** What does not fit, and fields of which the schema knows nothing, a line each: `/exposures/0/port: …`. */
export function schemaProblems(schema: Schema, value: unknown, root: Schema = schema, at = ''): string[] {
  return Object.entries(schema).flatMap(([keyword, rule]): string[] => {
    const wrong = (expected: string): string[] => [
      `${at || '/'}: expected ${expected}, found ${JSON.stringify(value)}`,
    ];
    switch (keyword) {
      case '$defs':
        return [];
      case '$ref': {
        const [, other = '', name = ''] = /^([a-z]*)#\/\$defs\/(.+)$/.exec(String(rule)) ?? [];
        const home = other === '' ? root : documentedSchema(other);
        const found = (home['$defs'] as Record<string, Schema>)[name];
        if (found === undefined) throw new Error(`no definition ${String(rule)}`);
        return schemaProblems(found, value, home, at);
      }
      case 'type': {
        const types = [rule].flat() as string[];
        return types.some((type) => isOf(type, value)) ? [] : wrong(types.join(' or '));
      }
      case 'const':
        return value === rule ? [] : wrong(JSON.stringify(rule));
      case 'enum':
        return (rule as unknown[]).includes(value) ? [] : wrong((rule as unknown[]).join(' or '));
      case 'pattern':
        return typeof value !== 'string' || new RegExp(String(rule)).test(value) ? [] : wrong(String(rule));
      case 'anyOf':
        return (rule as Schema[]).some((each) => schemaProblems(each, value, root, at).length === 0)
          ? []
          : wrong('one of several');
      case 'required':
        return (rule as string[]).flatMap((name) =>
          isOf('object', value) && name in (value as object) ? [] : wrong(`a field ${name}`),
        );
      case 'properties': {
        if (!isOf('object', value)) return [];
        const known = rule as Record<string, Schema>;
        return Object.entries(value as object).flatMap(([name, inner]) =>
          known[name] === undefined
            ? [`${at}/${name}: is not documented`]
            : schemaProblems(known[name], inner, root, `${at}/${name}`),
        );
      }
      case 'items':
        return (Array.isArray(value) ? value : []).flatMap((each, i) =>
          schemaProblems(rule as Schema, each, root, `${at}/${i}`),
        );
      default:
        throw new Error(`a schema with ${keyword}`);
    }
  });
}

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}
