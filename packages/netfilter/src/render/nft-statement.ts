// Statements as nft text.
import type { Nat, Tproxy } from '../model/nat.ts';
import type { Limit, Log, Match, Statement } from '../model/statement.ts';
import {
  quote,
  renderExpression,
  renderFor,
  renderOperand,
  renderRight,
  renderVerdict,
} from './nft-expression.ts';

/** Throws on what nft has no words for: iptables extensions and what was not understood. */
export function renderStatement(statement: Statement): string {
  switch (statement.kind) {
    case 'match':
      return renderMatch(statement);
    case 'vmap': {
      const map =
        statement.map.kind === 'named'
          ? `@${statement.map.name}`
          : `{ ${statement.map.entries
              .map(({ key, verdict }) => `${renderFor(statement.key, key)} : ${renderVerdict(verdict)}`)
              .join(', ')} }`;
      return `${renderExpression(statement.key)} vmap ${map}`;
    }
    case 'verdict':
      return renderVerdict(statement.verdict);
    case 'reject':
      return statement.code === undefined || statement.type === 'tcp reset'
        ? `reject with ${statement.type}`
        : `reject with ${statement.type} ${statement.code}`;
    case 'counter':
      return 'counter';
    case 'log':
      return renderLog(statement);
    case 'limit':
      return renderLimit(statement);
    case 'quota':
      return `quota ${statement.over ? 'over' : 'until'} ${statement.bytes} bytes`;
    case 'ct count':
      return `ct count ${statement.over ? 'over ' : ''}${statement.count}`;
    case 'object': {
      const { type, name } = statement;
      const set = type.startsWith('ct ') ? ' set' : type === 'secmark' ? '' : ' name';
      const called = name.kind === 'symbol' ? quote(name.name) : renderOperand(name);
      return type === 'secmark' ? `meta secmark set ${called}` : `${type}${set} ${called}`;
    }
    case 'mangle':
      return `${renderExpression(statement.key)} set ${renderRight(statement.key, statement.value)}`;
    case 'reset':
      return `reset ${renderExpression(statement.option)}`;
    case 'dynset': {
      const timeout = statement.timeout === undefined ? [] : [`timeout ${statement.timeout}s`];
      const inner = [
        renderExpression(statement.element),
        ...timeout,
        ...statement.statements.map(renderStatement),
        ...(statement.data === undefined ? [] : [`: ${renderOperand(statement.data)}`]),
      ];
      return statement.meter === true
        ? `meter ${statement.set} { ${inner.join(' ')} }`
        : `${statement.operation} @${statement.set} { ${inner.join(' ')} }`;
    }
    case 'nat':
      return renderNat(statement);
    case 'tproxy':
      return renderTproxy(statement);
    case 'dup':
      return [
        'dup',
        ...(statement.address === undefined ? [] : [`to ${renderOperand(statement.address)}`]),
        ...(statement.device === undefined ? [] : [`device ${renderOperand(statement.device)}`]),
      ].join(' ');
    case 'fwd':
      return statement.address === undefined
        ? `fwd to ${renderOperand(statement.device)}`
        : `fwd ${statement.family ?? 'ip'} to ${renderOperand(statement.address)} device ${renderOperand(statement.device)}`;
    case 'notrack':
      return 'notrack';
    case 'queue': {
      const flags = statement.flags.length === 0 ? '' : ` flags ${statement.flags.join(',')}`;
      return `queue${flags} to ${renderOperand(statement.queue)}`;
    }
    case 'synproxy':
      return [
        'synproxy',
        ...(statement.mss === undefined ? [] : [`mss ${statement.mss}`]),
        ...(statement.wscale === undefined ? [] : [`wscale ${statement.wscale}`]),
        ...statement.flags,
      ].join(' ');
    case 'flow':
      return `flow add @${statement.flowtable}`;
    case 'last':
      return 'last';
    case 'or':
    case 'ipset':
    case 'ipset change':
    case 'free':
    case 'effect':
      throw new Error(`nft has no words for ${JSON.stringify(statement)}`);
    case 'unknown':
      throw new Error(
        `a statement that was not understood cannot be written: ${JSON.stringify(statement.raw)}`,
      );
    default:
      throw new Error(statement satisfies never);
  }
}

function renderMatch(match: Match): string {
  const operator = match.operator === '==' || match.operator === 'in' ? '' : `${match.operator} `;
  const mark = match.operator === 'in' || match.operator === '!' ? ',' : '|';
  const exactly = match.operator === '==' && comparesBits(match) ? '== ' : operator;
  return `${renderExpression(match.left)} ${exactly}${renderRight(match.left, match.right, mark)}`;
}

/** On bits nft reads a comparison without a sign as `any of them`. */
function comparesBits({ left, right }: Match): boolean {
  if (right.kind === 'flags') return true;
  if (right.kind !== 'symbol' && right.kind !== 'number') return false;
  if (left.kind === 'mask') return left.mask.kind === 'flags';
  return left.kind === 'payload' && left.protocol === 'tcp' && left.field === 'flags';
}

function renderLog(log: Log): string {
  return [
    'log',
    ...(log.prefix === undefined ? [] : [`prefix ${quote(log.prefix)}`]),
    ...(log.level === undefined ? [] : [`level ${log.level}`]),
    ...(log.group === undefined ? [] : [`group ${log.group}`]),
    ...(log.snaplen === undefined ? [] : [`snaplen ${log.snaplen}`]),
    ...(log.queueThreshold === undefined ? [] : [`queue-threshold ${log.queueThreshold}`]),
    ...(log.flags ?? []).map((flag) => `flags ${flag}`),
  ].join(' ');
}

function renderLimit(limit: Limit): string {
  const rate = limit.unit === undefined ? String(limit.rate) : `${limit.rate} ${limit.unit}`;
  const burst = `${limit.burst} ${limit.unit === undefined ? 'packets' : (limit.burstUnit ?? 'bytes')}`;
  return `limit rate ${limit.over ? 'over ' : ''}${rate}/${limit.per} burst ${burst}`;
}

function renderNat(nat: Nat): string {
  if (nat.type === 'netmap') throw new Error('nft says netmap as snat or dnat');
  const prefix = nat.flags.includes('netmap');
  const flags = nat.flags.filter(
    (flag) => flag === 'random' || flag === 'fully-random' || flag === 'persistent',
  );
  const family = nat.family === undefined ? '' : ` ${nat.family}`;
  const address = nat.address === undefined ? '' : renderOperand(nat.address);
  const port = nat.port === undefined ? '' : `:${renderOperand(nat.port)}`;
  const bracketed = port !== '' && address.includes(':') ? `[${address}]` : address;
  const to = address + port === '' ? '' : ` to ${bracketed}${port}`;
  return [`${nat.type}${family}${prefix ? ' prefix' : ''}${to}`, flags.join(',')].filter(Boolean).join(' ');
}

function renderTproxy(tproxy: Tproxy): string {
  const address = tproxy.address === undefined ? '' : renderOperand(tproxy.address);
  const port = tproxy.port === undefined ? '' : `:${renderOperand(tproxy.port)}`;
  const family = tproxy.family === undefined ? '' : ` ${tproxy.family}`;
  return `tproxy${family} to ${port !== '' && address.includes(':') ? `[${address}]` : address}${port}`;
}
