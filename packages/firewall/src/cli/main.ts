// The command `moat`: its verbs, its options, and what happens when nothing of that fits.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type Peer, parsePeer } from '../kernel/peer.ts';
import { abortVerb, extendVerb } from './abort.ts';
import { auditVerb } from './audit.ts';
import { bansVerb, banVerb, unbanVerb } from './ban.ts';
import { verbNames } from './candidates.ts';
import { checkVerb } from './check.ts';
import { completeVerb, completionScript } from './completion.ts';
import { confirmVerb } from './confirm.ts';
import { type Context, contextOf, type Options } from './context.ts';
import { daemonVerb } from './daemon.ts';
import { deleteVerb } from './delete.ts';
import { diffVerb } from './diff.ts';
import { doctorVerb } from './doctor.ts';
import { enableVerb } from './enable.ts';
import { ExitCode } from './exit-code.ts';
import { type ExplainVerbOptions, explainOptions, explainVerb } from './explain.ts';
import { HELP_ENDING } from './help-ending.ts';
import { historyVerb } from './history.ts';
import { insertVerb, prependVerb } from './insert.ts';
import { manPage } from './man-page.ts';
import { calmVerb, panicVerb } from './panic.ts';
import { planVerb } from './plan.ts';
import { showProgress } from './progress.ts';
import { reloadVerb } from './reload.ts';
import { RULE_VERBS, ruleVerb } from './rule.ts';
import { type Answer, failure, say } from './say.ts';
import { selfTestVerb } from './self-test.ts';
import { settingsVerb } from './settings.ts';
import { REPORTS, showVerb } from './show.ts';
import { snapshotVerb } from './snapshot.ts';
import { STATUS_FORMS, statusVerb } from './status.ts';
import { stopVerb } from './stop.ts';
import { testVerb } from './test.ts';
import { undoVerb } from './undo.ts';
import { badChoice, badOption, notThisMachine, tooMuch, unknownVerb } from './usage.ts';

/** Set by the bundler. */
declare const __MOAT_VERSION__: string | undefined;
const VERSION = typeof __MOAT_VERSION__ === 'undefined' ? '0.0.0-source' : __MOAT_VERSION__;

type Verb = (context: Context, words: readonly string[]) => Promise<void>;

/** `printed` gets the help that commander makes. */
function program(printed: string[]): Command {
  const moat = new Command('moat')
    .description('A host firewall: closed by default, containers too. `moat` alone is `moat status`.')
    .option('--version', 'print the version')
    .option('--json', 'answer with one JSON value')
    .option('--dry-run', 'say what would happen, change and write nothing')
    .option('-y, --yes', 'do not ask')
    .addOption(new Option('-f, --force', 'as --yes').hideHelp())
    .addOption(
      new Option(
        '--confirm <seconds>',
        'how long a change that closes something waits for `moat confirm`; 0: not at all',
      )
        .default(60)
        .argParser(seconds),
    )
    .addOption(new Option('--root <dir>', 'keep all files under this folder').env('MOAT_ROOT').default(''))
    .option('--allow-lockout', 'go on although a connection of an admin could not be made again')
    .option('--keep-flows', 'let flows go on that the new rules would not let begin')
    .addOption(
      new Option(
        '--confirm-by-peer <host:port>',
        'for scripts: a change is confirmed when this peer can still be reached, by a new connection to it',
      ).argParser(peer),
    )
    .option('--extend <time>', 'with confirm: let the change wait for longer, such as 5m')
    .option('--if-state <hash>', 'change only the state that a dry run was made from (its `basis`)')
    .option('--snapshot <file>', 'look at this snapshot instead of the machine; - is stdin')
    .addOption(
      new Option(
        '--ruleset <file>',
        'look at this dump (iptables-save, nft, ipset save) instead of the machine; several may be given',
      )
        .default([])
        .argParser((file: string, files: readonly string[]) => [...files, file]),
    )
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', HELP_ENDING)
    .helpCommand('help [verb]', 'print this, or what a verb is for')
    // What commander would write, help and complaints, is said by us: it may have to be JSON.
    .configureOutput({ writeOut: (text) => printed.push(text), writeErr: () => {} })
    .exitOverride();

  const verb = (
    name: string,
    description: string,
    run: Verb,
    reads: (words: readonly string[]) => boolean = () => false,
  ): void => {
    moat
      .command(name)
      .description(description)
      .argument('[words...]')
      .exitOverride()
      .action((words: string[]) => withContext(moat, [name, ...words], run, { reads: reads(words) }));
  };
  /** A verb after which nothing stands. */
  const bare = (name: string, description: string, run: (context: Context) => Promise<void>): void =>
    verb(name, description, async (context, words) =>
      words.length > 1 ? say(context, tooMuch(words, 1)) : run(context),
    );
  for (const [name, description] of Object.entries(RULE_VERBS)) verb(name, description, ruleVerb);
  verb('insert', 'put a rule at a number: insert 1 deny from 192.0.2.9', insertVerb);
  verb('prepend', 'put a rule first', prependVerb);
  verb('delete', 'take a rule away: its sentence, or its numbers', deleteVerb);
  verb('default', 'what happens where no rule matches: default deny incoming', settingsVerb);
  verb('group', 'name addresses: group blog 203.0.113.7 2001:db8::7 blog.example.org', settingsVerb);
  verb('expect', 'what must hold of all rules: expect deny from any to any port mysql', settingsVerb);
  verb('logging', 'what is written to the kernel log: off, low, medium, high, full', settingsVerb);
  bare('enable', 'load the rules, now and at each boot', enableVerb);
  bare('disable', 'take the rules away, now and at boot', (context) => stopVerb(context, 'disable'));
  bare(
    'reload',
    'load the policy file again, after an edit by hand; ask for names in groups again',
    reloadVerb,
  );
  bare('plan', 'what enable or reload would open and close now, among the rules of everybody', planVerb);
  bare('reset', 'disable, put the policy aside and begin a new one', (context) => stopVerb(context, 'reset'));
  bare('test', 'does the policy file keep what its `expect` lines say?', testVerb);
  bare('confirm', 'keep a change that waits; from a new connection', (context) =>
    context.options.extend === undefined ? confirmVerb(context) : extendVerb(context, context.options.extend),
  );
  bare('abort', 'do not wait: go back to what was before the change that waits', abortVerb);
  bare('panic', 'let nothing pass but who administers this machine now', panicVerb);
  bare('calm', 'end the panic: what was before it', calmVerb);
  verb(
    'ban',
    'keep an address or a network out: ban 192.0.2.9 for 1h because guessing; `ban -` reads a list',
    banVerb,
  );
  verb('unban', 'let it in again', unbanVerb);
  bare('bans', 'who is banned, and for how long', bansVerb);
  bare('history', 'what was applied, when, by whom and why', historyVerb);
  verb('undo', 'bring back the state before, or the generation with a number', undoVerb);
  verb('status', `what is open, and by which rule: ${STATUS_FORMS.join(', ')}`, async (context, words) => {
    const form = STATUS_FORMS.find((known) => known === words[1]?.toLowerCase());
    if (words.length > 1 && form === undefined) return say(context, badChoice(words, STATUS_FORMS));
    return words.length > 2 ? say(context, tooMuch(words, 2)) : statusVerb(context, form);
  });
  verb(
    'show',
    `a report: ${REPORTS.join(', ')} [owner], which is everybody's firewall rules in words`,
    async (context, words) => {
      const report = REPORTS.find((known) => known === words[1]?.toLowerCase());
      if (report === undefined) return say(context, badChoice(words, REPORTS));
      if (words.length > 2 && report !== 'rules' && report !== 'generation')
        return say(context, tooMuch(words, 2));
      return showVerb(context, report, words);
    },
    ([report]) => report?.toLowerCase() === 'rules',
  );
  explainOptions(
    moat
      .command('explain')
      .description('whether a packet gets through, and which rules decide: explain tcp 192.0.2.9 22')
      .argument('[words...]')
      .exitOverride(),
  ).action((words: string[], given: ExplainVerbOptions) =>
    withContext(moat, ['explain', ...words], (context, typed) => explainVerb(context, typed, given), READS),
  );
  verb(
    'diff',
    'what is different for packets: diff A B; each the number of a generation, a snapshot, a ruleset, a policy file or `live`',
    diffVerb,
    (words) => !words.some((word) => word === 'live' || /^\d+$/.test(word)),
  );
  verb(
    'audit',
    'what strangers can reach on this machine, what answers there and who opened it; needs no moat in use',
    async (context, words) => (words.length > 1 ? say(context, tooMuch(words, 1)) : auditVerb(context)),
    () => true,
  );
  moat
    .command('doctor')
    .description(
      'what will bite on this machine, what mends it, and whether the way back works here; changes nothing',
    )
    .argument('[words...]')
    .option('--quick', 'without trying the way back')
    .exitOverride()
    .action((words: string[], { quick = false }: { quick?: boolean }) =>
      withContext(
        moat,
        ['doctor', ...words],
        async (context) =>
          words.length > 0 ? say(context, tooMuch(['doctor', ...words], 1)) : doctorVerb(context, { quick }),
        READS,
      ),
    );
  moat
    .command('check')
    .description('rules and sentences that never decide anything, ports open over IPv4 or IPv6 only')
    .argument('[words...]')
    .option('--all', 'also what programs keep ready without using it')
    .exitOverride()
    .action((words: string[], { all = false }: { all?: boolean }) =>
      withContext(
        moat,
        ['check', ...words],
        async (context) =>
          words.length > 0 ? say(context, tooMuch(['check', ...words], 1)) : checkVerb(context, { all }),
        READS,
      ),
    );
  moat
    .command('snapshot')
    .description('everything that decides on this machine, as one JSON value: moat snapshot FILE')
    .argument('[words...]')
    .option('--redact', 'replace names, remarks and public addresses, for a bug report')
    .option('--conntrack', 'with the flows that the kernel knows')
    .exitOverride()
    .action((words: string[], given: { redact?: boolean; conntrack?: boolean }) =>
      withContext(
        moat,
        ['snapshot', ...words],
        async (context) => {
          if (words.length > 1) return say(context, tooMuch(['snapshot', ...words], 2));
          const { redact = false, conntrack = false } = given;
          return snapshotVerb(context, words[0], { redact, conntrack });
        },
        READS,
      ),
    );
  // Run by moat itself, where it can do no harm.
  moat
    .command('self-test', { hidden: true })
    .argument('[words...]')
    .exitOverride()
    .action((words: string[]) => withContext(moat, ['self-test', ...words], selfTestVerb));
  moat
    .command('daemon')
    .description(
      'watch, in the foreground: repair the rules when others change them, tell what opens and closes',
    )
    .argument('[words...]')
    .option('--install', 'let systemd run it, now and at each boot, while moat is enabled')
    .option('--remove', 'stop it and let systemd run it no more')
    .exitOverride()
    .action((words: string[], { install = false, remove = false }: { install?: boolean; remove?: boolean }) =>
      withContext(moat, ['daemon', ...words], async (context) =>
        words.length > 0
          ? say(context, tooMuch(['daemon', ...words], 1))
          : daemonVerb(context, { install, remove }),
      ),
    );
  verb(
    'completion',
    'what makes TAB complete the words of moat: source <(moat completion bash)',
    async (context, words) => say(context, completionScript(words)),
    () => true,
  );
  // Asked by what `completion` prints.
  moat
    .command('complete', { hidden: true })
    .argument('[words...]')
    .exitOverride()
    .action((words: string[]) => completeVerb(moat, contextOf(optionsOf(moat), ['complete']), words));
  // Run by the build.
  moat
    .command('man-page', { hidden: true })
    .exitOverride()
    .action(() => {
      const page = manPage(moat, VERSION);
      say({ options: optionsOf(moat) }, { code: ExitCode.done, text: page, json: { page } });
    });
  moat
    .command('version')
    .description('print the version')
    .argument('[words...]')
    .exitOverride()
    .action((words: string[]) => {
      const options = optionsOf(moat);
      say({ options }, words.length > 0 ? tooMuch(['version', ...words], 1) : version());
    });
  // Words that are no verb land here, and so does a bare `moat`.
  moat.argument('[words...]').action(async (words: string[]) => {
    const options = optionsOf(moat);
    if (words.length > 0) return say({ options }, unknownVerb(words, verbNames(moat)));
    await withContext(moat, [], (context) => statusVerb(context, undefined));
  });
  return moat;
}

function version(): Answer {
  return { code: ExitCode.done, text: `moat ${VERSION}`, json: { version: VERSION } };
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value > 86_400) {
    throw new InvalidArgumentError('Expected whole seconds from 0 to 86400.');
  }
  return value;
}

function peer(text: string): Peer {
  const value = parsePeer(text);
  if (value === undefined) throw new InvalidArgumentError('Expected HOST:PORT.');
  return value;
}

/** Commander leaves out the options that were not given. */
function optionsOf(moat: Command): Options & { readonly version: boolean } {
  const given = moat.opts();
  const has = (name: string): boolean => given[name] === true;
  return {
    json: has('json'),
    dryRun: has('dryRun'),
    yes: has('yes') || has('force'),
    confirm: given['confirm'],
    root: given['root'],
    allowLockout: has('allowLockout'),
    keepFlows: has('keepFlows'),
    confirmByPeer: given['confirmByPeer'],
    extend: given['extend'],
    ifState: given['ifState'],
    snapshot: given['snapshot'],
    rulesets: given['ruleset'],
    version: has('version'),
  };
}

/** A verb that looks at what `readInput` gives, and so needs neither root nor this machine. */
const READS = { reads: true } as const;

async function withContext(
  moat: Command,
  words: readonly string[],
  run: Verb,
  { reads }: { readonly reads: boolean } = { reads: false },
): Promise<void> {
  const { version: asksVersion, ...options } = optionsOf(moat);
  if (asksVersion) return say({ options }, version());
  const context = contextOf(options, words);
  if (!reads && (options.snapshot !== undefined || options.rulesets.length > 0)) {
    return say(context, notThisMachine(words, options.snapshot === undefined ? '--ruleset' : '--snapshot'));
  }
  if (!reads && process.geteuid?.() !== 0) {
    const message = `moat reads and changes the kernel's rules, which takes root: sudo ${context.command}`;
    return say(context, failure(ExitCode.notPermitted, 'not-root', message));
  }
  showProgress(options);
  try {
    await run(context, words);
  } catch (error) {
    // What the machine refuses to tell or to write.
    say(context, failure(ExitCode.failed, 'failed', (error as Error).message));
  }
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const printed: string[] = [];
  const moat = program(printed);
  // Not from the parsed options: the mistake may stand before the option.
  const end = args.indexOf('--');
  const json = args.slice(0, end < 0 ? args.length : end).includes('--json');
  // Whoever listens may stop (`moat status | head -1`); the exit code says what became of the firewall all the same.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  try {
    await moat.parseAsync();
  } catch (error) {
    say({ options: { json } }, answerTo(error, args, printed, moat));
  }
}

function answerTo(
  error: unknown,
  args: readonly string[],
  printed: readonly string[],
  moat: Command,
): Answer {
  if (!(error instanceof CommanderError)) {
    const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return failure(ExitCode.failed, 'bug', `this is a mistake in moat: ${told}`);
  }
  if (error.exitCode === 0 || error.code === 'commander.help') {
    const text = printed.join('').trimEnd();
    return { code: ExitCode.done, text, json: { help: text } };
  }
  return badOption(error, args, moat);
}

void main();
