// Careful looks into JSON of unknown shape.

export type Json = unknown;
export type JsonObject = { readonly [key: string]: Json };

export function isObject(json: Json): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** Anything but an object counts as an empty one. */
export function object(json: Json): JsonObject {
  return isObject(json) ? json : {};
}

/** Anything but a string counts as an empty one. */
export function text(json: Json): string {
  return typeof json === 'string' ? json : '';
}

export function optionalText(json: Json): string | undefined {
  return typeof json === 'string' ? json : undefined;
}

export function optionalNumber(json: Json): number | undefined {
  return typeof json === 'number' ? json : undefined;
}

/** A list that nft prints as a bare value when it has one member. */
export function list(json: Json): readonly Json[] {
  if (json === undefined || json === null) return [];
  return Array.isArray(json) ? json : [json];
}

/** The one name in an object such as `{"accept": null}`, with what stands under it. */
export function only(json: Json): readonly [string, Json] {
  return Object.entries(object(json))[0] ?? ['', undefined];
}

/** Whether an object has no other keys than these: others could change what it means. */
export function hasOnly(of: JsonObject, keys: readonly string[]): boolean {
  return Object.keys(of).every((key) => keys.includes(key));
}

/** The object without the keys whose value is undefined. */
export function defined<const T extends object>(of: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
