// Text with its checksum in the first line, so that a file that is torn, cut short or another one is told from a whole one.
import { createHash } from 'node:crypto';

/** How the first line begins; what follows is the SHA-256 of all after that line, in hexadecimal. */
export const SEAL = '# moat sha256 ';

/** A comment in nft's language and in the shell's, so that the sealed text is used as it stands. */
export function sealed(text: string): string {
  return `${SEAL}${checksum(text)}\n${text}`;
}

/** What was sealed; undefined: not this text, or not all of it. */
export function unsealed(text: string): string | undefined {
  const end = text.indexOf('\n') + 1;
  const rest = text.slice(end);
  return text.slice(0, end) === `${SEAL}${checksum(rest)}\n` ? rest : undefined;
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
