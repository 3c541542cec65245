// What has time left, for texts that are loaded later: lines beside the rules, and the awk that makes nft text of them.

/**
 * A function for sh: the elements in the lines `#+ SET KEY,KEY UNTIL LEFT …` of the files that are its arguments, as
 * `add element`. Those whose time is over are left out; UNTIL 0 is for ever, and no element gets more seconds than LEFT,
 * less those that have gone by since the lines were written where `gone` says how many these are.
 */
export const TIME_LEFT = `time_left() {
  gone="\${gone:-0}" awk -v now="$(date +%s)" '$1 == "#+" && NF >= 5 {
    left = $5 - ENVIRON["gone"]
    if ($4 > 0 && $4 - now < left) left = $4 - now
    if ($4 > 0 && left <= 0) next
    if ($2 != set) {
      if (set != "") print "}"
      set = $2
      print "add element inet moat " set " {"
    }
    time = $4 > 0 ? " timeout " int(left / 86400) "d" left % 86400 "s" : ""
    n = split($3, keys, ",")
    for (i = 1; i <= n; i++) print keys[i] time ","
  }
  END { if (set != "") print "}" }' "$@"
}`;
