// What the exit codes mean. They never change; scripts depend on them.

export const ExitCode = {
  /** Done, or there was nothing to do. */
  done: 0,
  /** The system refused: kernel, disk, missing program. The old rules and the old policy are in force, or the message says what is not. */
  failed: 1,
  /** A mistake in the words given or in the policy file. Nothing was changed. */
  mistake: 2,
  /**
   * Refused to protect the owner: a lock-out, an expectation that fails (also in `moat test`, which refuses nothing), `moat check`
   * or `moat doctor` found something, or a confirmation from an old connection or of nothing.
   */
  refused: 3,
  /** Another command held the lock too long. */
  busy: 4,
  /** Needs root. */
  notPermitted: 5,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The same for people: what `moat help` and the man page say. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  [ExitCode.done]: 'done, or there was nothing to do',
  [ExitCode.failed]: 'the system refused',
  [ExitCode.mistake]: 'a mistake in the words or in the policy file',
  [ExitCode.refused]: 'refused to protect you, an expectation fails, or `check` or `doctor` found something',
  [ExitCode.busy]: 'another command holds the lock',
  [ExitCode.notPermitted]: 'needs root',
};

export const WHAT_CHANGED = 'After 2 to 5 nothing has changed; after 1 neither, unless the message says so.';
