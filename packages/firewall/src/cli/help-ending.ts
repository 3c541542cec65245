// What stands below the list of verbs in `moat help`: examples, which the man page shows too, and the exit codes.
import { EXIT_MEANINGS, WHAT_CHANGED } from './exit-code.ts';

export const EXAMPLES: readonly (readonly [command: string, meaning: string])[] = [
  ['moat allow 22', 'the port that a client dials; sshd or container alike'],
  ['moat enable', 'closes everything else; goes back unless confirmed'],
  ["moat allow from 203.0.113.7 to any port 3306 proto tcp comment 'the blog'", 'one client, one service'],
  ['moat allow 9090 for 2h', 'ends by itself, as does: until 2026-12-31T18:00'],
  ['moat explain tcp 192.0.2.9 3306', 'whether that client gets through, and why'],
  ['moat status', 'what is open, and by which rule'],
];

const example = ([command, meaning]: (typeof EXAMPLES)[number]): string =>
  command.length > 45 ? `  ${command}` : `  ${command.padEnd(45)}  ${meaning}`;

export const HELP_ENDING: string = [
  '\nExamples:',
  ...EXAMPLES.map(example),
  '\nExit codes:',
  ...Object.entries(EXIT_MEANINGS).map(([code, meaning]) => `  ${code}  ${meaning}`),
  WHAT_CHANGED,
].join('\n');
