// The way back: a shell script that undoes a change unless it is confirmed, without Node and without moat.
import { banFile } from '../kernel/ban-file.ts';
import { backFile, keptFile } from '../kernel/generations.ts';
import type { Paths } from '../kernel/paths.ts';
import { ABORTED, appliedPolicyFile, bootFile, pendingFolder, wayBackLog } from '../kernel/state.ts';
import { TIME_LEFT } from './time-left.ts';

export interface WayBack {
  readonly change: string;
  /** When the rules to go back to were listed: seconds since boot. */
  readonly listedAt: number;
  /** The network namespace of the change, as /proc/self/ns/net names it. */
  readonly network: string;
  /** nft text. */
  readonly emergency: string;
}

/**
 * `sh back.sh TOKEN [SECONDS]` waits and undoes the change that has this token; `sh back.sh TOKEN abort` does it at
 * once, because somebody said so; `sh back.sh TOKEN watch SESSION…` as soon as one of these sessions has ended, each
 * named by the processes that carry it, `PID:START,…`. `sh back.sh boot` undoes whatever change waits and leaves the
 * rules to the boot; `sh back.sh finish` goes on where another was killed or found no room for the files. It takes the
 * lock that commands take; a command that
 * holds it for too long is ended, since it must neither keep the owner out nor go on afterwards. Rules that do not
 * load give way to the `emergency` ones.
 */
export function wayBackScript(paths: Paths, { change, listedAt, network, emergency }: WayBack): string {
  return `#!/bin/sh
# Puts back the firewall rules and the policy that were in force before a change that nobody confirmed.
# Written by moat; needs sh, nft, flock and coreutils, and nothing of moat.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 077
pending=${quote(pendingFolder(paths))}
policy=${quote(paths.policy)}
applied=${quote(appliedPolicyFile(paths))}
log=${quote(wayBackLog(paths))}

bans=${quote(banFile(paths))}
lock=${quote(paths.lock)}
emergency=${quote(emergency)}

say() {
  echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $1" >>"$log"
  logger -t moat -p daemon.warning "$1" 2>/dev/null
}

# Seconds to wait. flock's own -w is one that busybox does not have.
take_lock() {
  left=$1
  until flock -x -n 9; do
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 1
  done
}

# Follows no link: behind one may be a server that does not answer.
end_holders() {
  file=$(readlink -f "$lock")
  holders=$({
    ls -ln /proc/[0-9]*/fd 2>/dev/null | while read -r line; do
      case $line in
        /proc/*/fd:) holder=\${line#/proc/} ;;
        *" -> $file") echo "\${holder%%/*}" ;;
      esac
    done
  } 9>&-)
  for holder in $holders; do
    [ "$holder" = "$$" ] || kill -KILL "$holder" 2>/dev/null
  done
}

# One that hangs is tried again.
nft() {
  timeout -s KILL 60 nft "$@"
}

${TIME_LEFT}

# The file was written in this boot: what has gone by since then needs no clock that tells the time of day.
open_gates() {
  read -r uptime rest </proc/uptime
  gone=$((\${uptime%%.*} - ${Math.floor(listedAt)})) time_left "$pending/rules.nft"
}

# In one transaction, with what has time left and the bans that are in force by now, or those of the file. A text that
# is not whole does not load.
old_rules() {
  if rules=$(cat "$pending/rules.nft") && [ -n "$rules" ] && times=$(open_gates); then
    printf '%s\\n' "$rules" "$times"
  else
    echo incomplete
  fi
  case $rules in *'set banned_v4 '*) ;; *) return ;; esac
  { [ "$1" = kernel ] && banned=$(nft list set inet moat banned_v4 && nft list set inet moat banned_v6); } 2>/dev/null ||
    banned=$([ ! -f "$bans" ] || time_left "$bans") || banned=incomplete
  printf '%s\\n' "$banned"
}

# All of the text is there before any of it is sent: of one that was killed on the way the half would load.
load() {
  text=$(old_rules "$1") && printf '%s\\n' "$text" | nft -f -
}

load_rules() {
  try=1
  until load kernel || load file ||
    { [ -s "$pending/rules.nft" ] && nft -f "$pending/rules.nft"; }; do
    say "loading $pending/rules.nft failed (try $try)"
    if [ "$try" -ge 5 ] && echo "$emergency" | nft -f -; then
      say 'the emergency rules are in force: ssh from anywhere, all else closed'
      return
    fi
    try=$((try + 1))
    sleep "$([ "$try" -le 10 ] && echo 1 || echo 30)"
  done
}

put_back() {
  # The file behind symbolic links: a policy that is kept elsewhere stays there.
  file=$(readlink -f "$2") || return 1
  if [ -f "$1" ]; then copy "$1" "$file"; else rm -f "$file"; fi
}

copy() {
  cp "$1" "$2.back" && sync && mv -f "$2.back" "$2" && return
  rm -f "$2.back"
  return 1
}

# PID:START, as fields 1 and 22 of /proc/PID/stat; the name in brackets may hold blanks.
lives() {
  { read -r stat <"/proc/\${1%%:*}/stat"; } 2>/dev/null || return 1
  set -- "\${1#*:}" \${stat##*) }
  [ "$2" != Z ] && [ "\${21}" = "$1" ]
}

# Whether one of the processes is there that carry the session.
goes_on() {
  before=$IFS
  IFS=,
  set -- $1
  IFS=$before
  for process; do lives "$process" && return; done
  return 1
}

# Ends well when a session has ended while the change with this token still waits. Starts no program but sleep.
watch() {
  token=$1
  shift
  while { read -r waits <"$pending/token"; } 2>/dev/null && [ "$waits" = "$token" ]; do
    for session; do goes_on "$session" || return 0; done
    sleep 1
  done
  return 1
}

# One function, so that the shell has read all of it before it waits.
go_back() {
  fate='not confirmed' why='a change was not confirmed'
  case "\${2-}" in
    '') ;;
    abort) fate='aborted' why='${ABORTED}' ;;
    watch)
      fate='session ended' why='the session that made a change ended before it was confirmed'
      change=$1
      shift 2
      watch "$change" "$@" || exit 0
      set -- "$change"
      ;;
    *) sleep "$2" ;;
  esac
  mkdir -p ${quote(paths.run)}
  # Without \`command\`, a lock that cannot be opened would end the shell.
  if ! command exec 9>>"$lock"; then
    say 'the lock cannot be opened; going on without it'
  elif ! take_lock 15; then
    say 'a command holds the lock for too long and is ended'
    end_holders
    take_lock 5 || say 'the lock is still not free; going on without it'
  fi
  [ -f "$pending/token" ] || [ -f "$pending/going" ] || exit 0
  if [ "$1" != boot ] && [ -f "$pending/token" ]; then
    [ "$(cat "$pending/token")" = "$1" ] || exit 0
    # Only where the change was made: another network has rules of its own.
    [ "$(readlink /proc/self/ns/net)" = ${quote(network)} ] || exit 0
    load_rules
  fi
  # From here on there is nothing to confirm any more; what becomes of the files can be done again until it is done.
  if [ -f "$pending/token" ]; then
    { echo "$fate" >"$pending/fate" || rm -f "$pending/fate"; } 2>/dev/null
    mv "$pending/token" "$pending/going"
  fi
  # Whole or not at all; without it history tells that the change went back, and not why.
  [ ! -s "$pending/fate" ] || mv -f "$pending/fate" ${quote(backFile(paths, change))}
  rm -f "$applied" ${quote(keptFile(paths, change))}
  # What the admin wrote is not thrown away with the rules.
  kept=
  if [ -f "$policy" ] && ! cmp -s "$policy" "$pending/policy"; then
    copy "$policy" "$policy.not-confirmed" && kept="; what the policy file said is $policy.not-confirmed"
  fi
  if put_back "$pending/policy" "$policy" && put_back "$pending/applied-policy" "$applied" &&
    put_back "$pending/boot.nft" ${quote(bootFile(paths))}; then
    say "$why; the rules and the policy from before it are in force again$kept"
    # First what says that this is not finished: without the other files it could not be finished again.
    rm -f "$pending/going" && rm -rf "$pending"
    # Its clock would run for nothing.
    [ "$fate" = 'not confirmed' ] || systemctl --no-block stop "moat-way-back-$1.timer" 2>/dev/null
  else
    say "$why; the rules from before it are in force again, but the policy file could not be put back: it is $pending/policy"
  fi
}

go_back "$@"
`;
}

/** A word for the shell, whatever stands in it. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
