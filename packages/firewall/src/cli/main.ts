// The command `moat`: its verbs, its options, and what happens when nothing of that fits.
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { nearest } from '../policy/near.ts';
import { confirmVerb } from './confirm.ts';
import { type Context, contextOf, type Options } from './context.ts';
import { deleteVerb } from './delete.ts';
import { enableVerb } from './enable.ts';
import { ExitCode } from './exit-code.ts';
import { insertVerb, prependVerb } from './insert.ts';
import { reloadVerb } from './reload.ts';
import { RULE_VERBS, ruleVerb } from './rule.ts';
import { failure, say } from './say.ts';
import { settingsVerb } from './settings.ts';
import { REPORTS, type Report, showVerb } from './show.ts';
import { STATUS_FORMS, type StatusForm, statusVerb } from './status.ts';
import { stopVerb } from './stop.ts';

/** Set by the bundler. */
declare const __MOAT_VERSION__: string | undefined;
const VERSION = typeof __MOAT_VERSION__ === 'undefined' ? '0.0.0-source' : __MOAT_VERSION__;

type Verb = (context: Context, words: readonly string[]) => Promise<void>;

function program(): Command {
  const moat = new Command('moat')
    .description('A host firewall: closed by default, containers too. `moat` alone is `moat status`.')
    .version(VERSION, '--version', 'print the version')
    .option('--json', 'answer with one JSON value', false)
    .option('--dry-run', 'say what would happen, change and write nothing', false)
    .option('-y, --yes', 'do not ask', false)
    .addOption(new Option('-f, --force', 'as --yes').default(false).hideHelp())
    .addOption(
      new Option(
        '--confirm <seconds>',
        'how long a change that closes something waits for `moat confirm`; 0: not at all',
      )
        .default(60)
        .argParser(seconds),
    )
    .addOption(new Option('--root <dir>', 'keep all files under this folder').env('MOAT_ROOT').default(''))
    .option('--allow-lockout', 'go on although a connection of an admin could not be made again', false)
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXAMPLES)
    .exitOverride();

  const verb = (name: string, description: string, run: Verb, words = '[words...]'): Command => {
    const command = moat.command(name).description(description).exitOverride();
    if (words !== '') command.argument(words);
    return command.action(async (...given: unknown[]) => {
      const rest = words === '' ? [] : (given[0] as string[]);
      await withContext(moat, [name, ...rest], run);
    });
  };
  for (const [name, description] of Object.entries(RULE_VERBS)) verb(name, description, ruleVerb);
  verb('insert', 'put a rule at a number: insert 1 deny from 192.0.2.9', insertVerb);
  verb('prepend', 'put a rule first', prependVerb);
  verb('delete', 'take a rule away: its sentence, or its numbers', deleteVerb);
  verb('default', 'what happens where no rule matches: default deny incoming', settingsVerb);
  verb('group', 'name addresses: group blog 203.0.113.7 2001:db8::7', settingsVerb);
  verb('logging', 'what is written to the kernel log: off, low, medium, high, full', settingsVerb);
  verb('enable', 'load the rules, now and at each boot', enableVerb, '');
  verb('disable', 'take the rules away, now and at boot', (context) => stopVerb(context, 'disable'), '');
  verb('reload', 'load the policy file again, after an edit by hand', reloadVerb, '');
  verb(
    'reset',
    'disable, put the policy aside and begin a new one',
    (context) => stopVerb(context, 'reset'),
    '',
  );
  verb('confirm', 'keep a change that waits; from a new connection', confirmVerb, '');
  oneOf(moat, 'status', 'what is open, and by which rule', STATUS_FORMS, false, (context, form) =>
    statusVerb(context, form as StatusForm | undefined),
  );
  oneOf(moat, 'show', 'a report', REPORTS, true, (context, report) => showVerb(context, report as Report));
  moat
    .command('version')
    .description('print the version')
    .action(() => {
      if (moat.opts()['json']) console.log(JSON.stringify({ ok: true, version: VERSION }));
      else console.log(`moat ${VERSION}`);
    });
  // Words that are no verb land here, and so does a bare `moat`.
  moat.argument('[words...]').action(async (words: string[]) => {
    if (words.length > 0) throw unknownVerb(moat, words[0]!);
    await withContext(moat, [], (context) => statusVerb(context, undefined));
  });
  return moat;
}

const EXAMPLES = `
Examples:
  moat allow 22                                  the port that a client dials; sshd or container alike
  moat enable                                    closes everything else; goes back unless confirmed
  moat allow from 203.0.113.7 to any port 3306 proto tcp comment 'the blog'
  moat status

Exit codes: 0 done, 1 the system refused, 2 a mistake in the words or the policy file, 3 refused to protect
you, 4 another command holds the lock, 5 needs root. In every case but 0 nothing was changed.`;

function oneOf(
  moat: Command,
  name: string,
  description: string,
  choices: readonly string[],
  required: boolean,
  run: (context: Context, choice: string | undefined) => Promise<void>,
): void {
  const argument = new Argument(required ? '<report>' : '[form]').choices([...choices]);
  moat
    .command(name)
    .description(`${description}: ${choices.join(', ')}`)
    .addArgument(argument)
    .exitOverride()
    .action(async (choice: string | undefined) => {
      await withContext(moat, choice === undefined ? [name] : [name, choice], (context) =>
        run(context, choice),
      );
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value > 86_400) {
    throw new InvalidArgumentError('Expected whole seconds from 0 to 86400.');
  }
  return value;
}

async function withContext(moat: Command, words: readonly string[], run: Verb): Promise<void> {
  const given = moat.opts<Options & { force: boolean }>();
  const options: Options = { ...given, yes: given.yes || given.force };
  const context = contextOf(options, words);
  if (process.geteuid?.() !== 0) {
    const message = `moat reads and changes the kernel's rules, which takes root: sudo ${context.command}`;
    return say(context, failure(ExitCode.notPermitted, 'not-root', message));
  }
  try {
    await run(context, words);
  } catch (error) {
    // What the machine refuses to tell or to write; the old state is in force.
    say(context, failure(ExitCode.failed, 'failed', `${(error as Error).message}; nothing was changed`));
  }
}

function unknownVerb(moat: Command, word: string): CommanderError {
  const near = nearest(
    word,
    moat.commands.map((command) => command.name()),
  );
  const hint = near === undefined ? 'see `moat help`' : `did you mean \`moat ${near}\`?`;
  return new CommanderError(ExitCode.mistake, 'moat.unknownVerb', `moat knows no verb '${word}'; ${hint}`);
}

async function main(): Promise<void> {
  const moat = program();
  try {
    await moat.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    if (error.code === 'moat.unknownVerb') process.stderr.write(`ERROR ${error.message}\n`);
    process.exitCode = ExitCode.mistake;
  }
}

void main();
