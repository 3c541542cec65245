// moat completion bash: a script that asks moat, by `moat complete`, what fits where TAB was pressed.
import type { Command } from 'commander';
import { interfaceNames } from '../kernel/interface-names.ts';
import { readPolicyText } from '../kernel/state.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { parseServices } from '../policy/services.ts';
import { candidates } from './candidates.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, say } from './say.ts';
import { badChoice, tooMuch } from './usage.ts';

const SHELLS = ['bash'] as const;

// Where moat knows no word, readline's names of files stand.
const BASH = `# Completion of moat's words for bash: moat itself says what fits.
_moat() {
  mapfile -t COMPREPLY < <("$1" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _moat moat`;

/** The answer to `moat completion SHELL`; `words`: what was typed after `moat`. */
export function completionScript(words: readonly string[]): Answer {
  const shell = SHELLS.find((known) => known === words[1]?.toLowerCase());
  if (shell === undefined) return badChoice(words, SHELLS);
  if (words.length > 2) return tooMuch(words, 2);
  return { code: ExitCode.done, text: BASH, json: { shell, script: BASH } };
}

/** `line`: the words of the command line after `moat`, up to the one at the cursor. One candidate a line. */
export function completeVerb(moat: Command, context: Context, line: readonly string[]): void {
  const found = candidates(moat, line, {
    groups: () => groupNames(context),
    interfaces: () => interfaceNames(),
    services: (all) => [...(all ? context.services : parseServices('')).byName.keys()],
  });
  say(context, { code: ExitCode.done, text: found.join('\n'), json: { candidates: found } });
}

/** None where the policy is not for this user to read, or has a mistake. */
function groupNames({ paths, services }: Context): string[] {
  try {
    const parsed = parsePolicyFile(readPolicyText(paths) ?? '', services);
    return parsed.ok ? [...parsed.file.policy.groups.keys()] : [];
  } catch {
    return [];
  }
}
