// A line of iptables-save in words.

/**
 * Splits as iptables-restore does (iptables/xshared.c add_param_to_argv): blanks part the words, double quotes keep them, a
 * backslash inside quotes takes the next character as it is.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const char = line[i]!;
    if (quoted && char === '\\') word = (word ?? '') + (line[++i] ?? '');
    else if (char === '"') {
      quoted = !quoted;
      word ??= '';
    } else if (!quoted && (char === ' ' || char === '\t')) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}
