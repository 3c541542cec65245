// Statements that let some packets on and end the rule for the others, as conditions.

import type { Expression } from '../model/expression.ts';
import type { Statement } from '../model/statement.ts';
import { readingOf } from '../semantics/reading.ts';
import { unionPackets } from '../space/packet-set.ts';
import { ALWAYS, both, type Condition, conditionSet, inSet, NEVER } from './condition.ts';
import { ipsetCondition } from './ipset-condition.ts';
import { matchCondition, unknownCondition } from './match-condition.ts';
import { needCondition } from './need.ts';
import type { Scope } from './scope.ts';

/** undefined: the statement does something else. */
export function statementCondition(scope: Scope, statement: Statement, part: string): Condition | undefined {
  switch (statement.kind) {
    case 'match':
      return matchCondition(scope, statement, part);
    case 'or': {
      const { space } = scope.view.analysis;
      const branches = statement.branches.map((branch, b) =>
        conditionSet(
          space,
          branch.reduce(
            (all: Condition, inner, i) =>
              both(
                all,
                statementCondition(scope, inner, `${part} ${b} ${i}`) ??
                  unknownCondition(scope, `${part} ${b} ${i}`, 'not understood'),
              ),
            ALWAYS,
          ),
        ),
      );
      return inSet(unionPackets(space, branches));
    }
    case 'limit':
      return unknownCondition(scope, part, 'rate');
    case 'quota':
      return unknownCondition(scope, part, 'traffic');
    case 'ct count':
      return unknownCondition(scope, part, 'connections');
    case 'free':
      return unknownCondition(scope, part, statement.reason);
    case 'ipset':
      return ipsetCondition(scope, statement, part);
    case 'dynset':
      // A set that is full refuses new elements; a limit or count of the element may end the rule.
      // Without the element's fields there is none, which ends the rule (nft_payload.c, NFT_BREAK).
      return statement.statements.some(
        ({ kind }) => kind === 'limit' || kind === 'ct count' || kind === 'quota',
      )
        ? both(readable(scope, statement.element), unknownCondition(scope, part, 'rate'))
        : readable(scope, statement.element);
    case 'object':
      return statement.type === 'limit' || statement.type === 'quota'
        ? unknownCondition(scope, part, statement.type === 'limit' ? 'rate' : 'traffic')
        : undefined;
    default:
      return undefined;
  }
}

/** The packets that have what the expression reads. */
function readable(scope: Scope, expression: Expression): Condition {
  switch (expression.kind) {
    case 'concat':
      return expression.parts.reduce((all: Condition, each) => both(all, readable(scope, each)), ALWAYS);
    case 'mask':
      return readable(scope, expression.of);
    case 'bits':
    case 'map':
    case 'constant':
      return ALWAYS;
    default: {
      const reading = readingOf(expression, scope.place);
      if (reading.kind === 'nothing') return NEVER;
      return 'needs' in reading
        ? reading.needs
            .filter(({ otherwise }) => otherwise === 'no match')
            .reduce((all: Condition, need) => both(needCondition(scope, need), all), ALWAYS)
        : ALWAYS;
    }
  }
}
