// Conditions as phrases, and a sentence out of phrases in the order in which people say them.

/** Where a phrase stands: `IPv4 tcp | from … | to … | arriving on … | leaving by … |, the rest`. */
export type Place = 'family' | 'protocol' | 'source' | 'destination' | 'arriving' | 'leaving' | 'rest';

export interface Phrase {
  readonly place: Place;
  readonly text: string;
}

const PLACES: readonly Place[] = ['family', 'protocol', 'source', 'destination', 'arriving', 'leaving'];

export function rest(text: string): Phrase {
  return { place: 'rest', text };
}

/** Several conditions that all have to hold; without any `everything`. What must not be stands behind what must. */
export function sentence(phrases: readonly Phrase[]): string {
  const at = (place: Place): string[] => [
    ...new Set(phrases.flatMap((phrase) => (phrase.place === place ? [phrase.text] : []))),
  ];
  // ICMP is of one family each.
  const places = at('protocol').some((text) => /^icmp(v6)?$/.test(text)) ? PLACES.slice(1) : PLACES;
  const first = places.flatMap((place) => shared(at(place)));
  const is = first.filter((text) => !text.startsWith('not ')).join(' ');
  const isNot = first.filter((text) => text.startsWith('not ')).join(' and ');
  const parts = [...[is, isNot].filter(Boolean).slice(0, 1), ...at('rest')];
  if (is !== '' && isNot !== '') parts[0] = `${is} but ${isNot}`;
  return parts.length === 0 ? 'everything' : parts.join(', ');
}

/** `from 10.0.0.0/8` and `from port 53` are `from 10.0.0.0/8 port 53`. */
function shared(texts: readonly string[]): readonly string[] {
  const [first, second, ...others] = texts;
  if (first === undefined || second === undefined) return texts;
  for (const word of ['from ', 'to ']) {
    const [address, port] = first.startsWith(`${word}port`) ? [second, first] : [first, second];
    if (address.startsWith(word) && !address.startsWith(`${word}port`) && port.startsWith(`${word}port`)) {
      return [`${address} ${port.slice(word.length)}`, ...others];
    }
  }
  return texts;
}
