// The way back: a shell script that undoes a change unless it is confirmed, without Node and without moat.
import type { Paths } from '../kernel/paths.ts';
import { appliedPolicyFile, pendingFolder, wayBackLog } from '../kernel/state.ts';

/**
 * `sh back.sh TOKEN [SECONDS]` waits and undoes the change that has this token; `sh back.sh boot` undoes
 * whatever change waits and leaves the rules to the boot. It takes the lock that commands take, but not for
 * ever: a command that hangs must not keep the owner out.
 */
export function wayBackScript(paths: Paths, network: string): string {
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

say() {
  echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $1" >>"$log"
  logger -t moat -p daemon.warning "$1" 2>/dev/null
}

put_back() {
  # The file behind symbolic links: a policy that is kept elsewhere stays there.
  file=$(readlink -f "$2") || return 1
  if [ -f "$1" ]; then cp "$1" "$file.back" && sync && mv -f "$file.back" "$file"; else rm -f "$file"; fi
}

# One function, so that the shell has read all of it before it waits.
go_back() {
  [ -z "\${2-}" ] || sleep "$2"
  mkdir -p ${quote(paths.run)}
  exec 9>>${quote(paths.lock)}
  flock -x -w 15 9 || say 'the lock was not free after 15 s; going on without it'
  [ -f "$pending/token" ] || exit 0
  if [ "$1" != boot ]; then
    [ "$(cat "$pending/token")" = "$1" ] || exit 0
    # Only where the change was made: another network has rules of its own.
    [ "$(readlink /proc/self/ns/net)" = ${quote(network)} ] || exit 0
    try=1
    until nft -f "$pending/rules.nft"; do
      say "loading $pending/rules.nft failed (try $try)"
      [ "$try" -lt 5 ] || exit 1
      try=$((try + 1))
      sleep 1
    done
  fi
  # What the admin wrote is not thrown away with the rules.
  if [ -f "$policy" ] && ! cmp -s "$policy" "$pending/policy"; then cp "$policy" "$policy.not-confirmed"; fi
  if ! put_back "$pending/policy" "$policy" || ! put_back "$pending/applied-policy" "$applied"; then
    say 'the policy file could not be put back'
    exit 1
  fi
  rm -f "$pending/token"
  rm -rf "$pending"
  say 'a change was not confirmed; the rules and the policy from before it are in force again'
}

go_back "$@"
`;
}

/** A word for the shell, whatever stands in it. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
