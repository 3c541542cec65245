// The ladder of the boot: the last confirmed rules, else those before, else the emergency rules; for sh, without Node.
import { banFile } from '../kernel/ban-file.ts';
import { bootRecordFile } from '../kernel/boot-record.ts';
import type { Paths } from '../kernel/paths.ts';
import { SEAL, sealed } from '../kernel/sealed-text.ts';
import { bootFile, bootFileBefore, bootScriptFile, wayBackFile } from '../kernel/state.ts';
import { emergencyPorts, emergencyRules } from './emergency.ts';
import { TIME_LEFT } from './time-left.ts';
import { quote } from './way-back.ts';

/**
 * The file that loads the rules, sealed. `sh boot.sh` also puts back the files of a change that still waited;
 * `sh boot.sh rules` does not. Exit code 0: the last confirmed rules are in force; 1: rules are, but not all of these,
 * as the record tells; 2: none.
 */
export function bootScript(paths: Paths, sshPorts: readonly number[]): string {
  return sealed(`# Loads the firewall rules at boot. Written by moat; needs sh, nft, awk and coreutils, and nothing of moat.
${common(paths, sshPorts)}
${TIME_LEFT}

# One transaction: the rules with the time that is left and whoever is banned, or nothing.
load_with() {
  why=$({ cat "$1" && time_left "$@" || echo 'what has time left could not be worked out'; } | nft -f - 2>&1) && return
  why="nft: \${why%%$nl*}"
  return 1
}

# A ban only closes more, and what has time left only opens something: rules without them are better than none.
load() {
  without=
  if [ ! -e "$bans" ] || ! grep -q '^  set banned_v4 ' "$1"; then
    load_with "$1" && return
  elif whole "$bans"; then
    load_with "$1" "$bans" && return
    without="without bans: $bans: $why$nl"
    load_with "$1" && return
  else
    without="without bans: $bans: $why$nl"
    load_with "$1" && return
  fi
  without="\${without}without times: $1: $why$nl"
  why=$(nft -f "$1" 2>&1) && return
  why="nft: \${why%%$nl*}"
  without=
  return 1
}

try_rung() {
  if whole "$2" && load "$2"; then rung=$1; return; fi
  skipped="\${skipped}skipped $2: $why$nl"
  return 1
}

rm -f "$record"
if try_rung confirmed "$confirmed" || try_rung before "$before"; then
  write_down
else
  load_emergency
fi
[ "\${1-}" = rules ] || settle
case $rung$without in confirmed) exit 0 ;; none) exit 2 ;; *) exit 1 ;; esac
`);
}

/**
 * What starts the ladder, and is the last rung itself where the script is gone or broken: `begin` does what a sandbox
 * allows, `finish` all that is left to do then (and all of it where there was no `begin`), and fails unless the last
 * confirmed rules are in force with all that belongs to them.
 */
export function bootStarter(paths: Paths, sshPorts: readonly number[]): { begin: string; finish: string } {
  return {
    begin: `${names(paths)}\n${WHOLE}\nrm -f "$record"\nwhole "$script" && exec sh "$script" rules`,
    finish: `${common(paths, sshPorts)}
# Also where a sandbox was what kept the rules out.
if [ ! -s "$record" ] || grep -q '^rung none' "$record"; then
  if whole "$script"; then
    sh "$script" rules
    code=$?
    why="it ended with exit code $code"
  else
    code=2
  fi
  if [ "$code" -gt 1 ]; then
    skipped="skipped $script: $why$nl"
    load_emergency
  fi
fi
settle
[ ! -s "$record" ] || { [ "$(cat "$record")" = 'rung confirmed' ] && code=0 || code=1; }
exit "$code"`,
  };
}

function names(paths: Paths): string {
  return `PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 077
script=${quote(bootScriptFile(paths))}
record=${quote(bootRecordFile(paths))}`;
}

/** A file is used only where its first line tells the checksum of the rest; else `$why` says what is wrong with it. */
const WHOLE = `whole() {
  why='it is not there'
  [ -e "$1" ] || return
  why='it is empty'
  [ -s "$1" ] || return
  why='it does not begin as moat writes it'
  case $(head -n 1 "$1" 2>/dev/null) in ${quote(SEAL)}*) ;; *) return 1 ;; esac
  why='its checksum is wrong: it is torn, or somebody changed it'
  [ "$(head -n 1 "$1")" = ${quote(SEAL)}"$(tail -n +2 "$1" | sha256sum | cut -d ' ' -f 1)" ]
}`;

function common(paths: Paths, sshPorts: readonly number[]): string {
  return `${names(paths)}
confirmed=${quote(bootFile(paths))}
before=${quote(bootFileBefore(paths))}
bans=${quote(banFile(paths))}
back=${quote(wayBackFile(paths))}
kmsg=${quote(`${paths.root}/dev/kmsg`)}
emergency=${quote(emergencyRules(sshPorts))}
nl='
'
skipped=
without=

# To the journal, or where systemd does not run to the kernel's log: no other runs that early.
say() {
  if [ -n "\${JOURNAL_STREAM-}" ]; then echo "<2>moat: $1" >&2; return; fi
  echo "moat: $1" >&2
  if [ -w "$kmsg" ]; then echo "<2>moat: $1" >>"$kmsg"; fi
}

write_down() {
  {
    mkdir -p "\${record%/*}" && printf '%s\\n' "rung $rung" "$skipped$without" | sed '/^$/d' >"$record.new" &&
      mv -f "$record.new" "$record"
  } || say "what this boot loaded could not be written down in $record"
  case $rung in
    confirmed) [ -z "$without" ] || say 'the last confirmed rules are in force, but not all that belongs to them' ;;
    before) say 'the confirmed rules from before the last ones are in force' ;;
    emergency) say 'the emergency rules are in force: ssh (port ${emergencyPorts(sshPorts).join(', ')}) from anywhere, all else closed' ;;
    none) say 'NO RULES COULD BE LOADED: whatever listens on this machine can be reached' ;;
  esac
  printf '%s' "$skipped$without" | while read -r line; do say "$line"; done
}

load_emergency() {
  rung=emergency
  code=1
  if ! why=$(echo "$emergency" | nft -f - 2>&1); then
    rung=none
    code=2
    skipped="\${skipped}skipped the emergency rules: nft: \${why%%$nl*}$nl"
  fi
  write_down
}

${WHOLE}

# A change that still waited for its confirmation goes back; the rules have done so already.
settle() {
  [ ! -f "$back" ] || timeout 60 sh "$back" boot
}
`;
}
