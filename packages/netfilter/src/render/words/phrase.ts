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

/** Several conditions that all have to hold; without any `everything`. */
export function sentence(phrases: readonly Phrase[]): string {
  const at = (place: Place): string[] => [
    ...new Set(phrases.flatMap((phrase) => (phrase.place === place ? [phrase.text] : []))),
  ];
  const first = PLACES.flatMap((place) => shared(at(place))).join(' ');
  const parts = first === '' ? at('rest') : [first, ...at('rest')];
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
