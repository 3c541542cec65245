// Lists, amounts and raw texts in sentences.

const MOST = 8;

/** `A, B or C`; of long lists the beginning and how many more there are. */
export function anyOf(items: readonly string[], most = MOST): string {
  return joined(items, 'or', most);
}

/** `A, B and C`. */
export function allOf(items: readonly string[], most = MOST): string {
  return joined(items, 'and', most);
}

function joined(items: readonly string[], word: string, most: number): string {
  if (items.length === 0) return 'nothing';
  if (items.length === 1) return items[0]!;
  if (items.length > most) {
    const shown = items.slice(0, most - 2);
    return `${shown.join(', ')} ${word} ${amount(items.length - shown.length)} more`;
  }
  return `${items.slice(0, -1).join(', ')} ${word} ${items.at(-1)}`;
}

/** `1,204`. */
export function amount(value: number): string {
  return String(value).replace(/\B(?=(?:[0-9]{3})+$)/g, ',');
}

/** `1 entry`, `1,204 entries`. */
export function count(value: number, one: string, many: string): string {
  return `${amount(value)} ${value === 1 ? one : many}`;
}

const LONGEST = 300;

/** What was not understood, as it stands in the ruleset. */
export function notUnderstood(raw: unknown): string {
  const whole = typeof raw === 'string' ? raw : (JSON.stringify(raw) ?? String(raw));
  const text = whole.replace(/\s+/g, ' ').trim();
  return `UNKNOWN (not understood: ${text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text})`;
}
