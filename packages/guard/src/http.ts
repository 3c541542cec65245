// The guard of node:http: stands before the server, so that no listener sees a request that was not let in.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { finder, mustBeLiteral, readDeclaration } from './declaration.ts';
import { type Finding, judgeBy } from './judge.ts';
import type { Guard, GuardOptions } from './options.ts';
import { ambiguity, asksForMethod, pathOf } from './plain.ts';
import { register } from './registry.ts';
import { refuse } from './seal.ts';
import { isServer, publicUpgrades, stand } from './server.ts';
import { tableOf } from './table.ts';

export type { Answer, Guard, GuardOptions, Reason, Refusal, Route } from './options.ts';
export { tokenIs } from './token.ts';

/**
 * Guards a server of node:http or node:https: requests, upgrades and CONNECT, whoever listens to them.
 *
 * A server knows no routes; therefore a public path has to be literal, and means whatever the server answers there.
 * @throws TypeError for a declaration that is none, or not literal; or for what is no server
 *
 * @example
 * const server = createServer(handler);
 * guard(server, { authorize: tokenIs(process.env['TOKEN']), public: ['GET /health'] });
 * server.listen(8080);
 */
export function guard(server: Server | HttpsServer, options: GuardOptions<IncomingMessage>): Guard {
  if (!isServer(server)) {
    throw new TypeError('guard: expected a server of node:http or node:https');
  }
  const declared = (options.public ?? []).map((text) =>
    mustBeLiteral(readDeclaration(text), 'node:http has'),
  );
  const find = finder(declared);
  const judge = judgeBy(options);

  const handle: Guard = { routes: () => tableOf(declared, declared, judge.hasAuthorize) };
  register(server, handle);
  const deny = (request: IncomingMessage, response: ServerResponse, found: NonNullable<Finding>): false => {
    refuse(response, judge.refusal(request.method, request.url, found), judge.challenge);
    return false;
  };
  stand(server, {
    judge,
    opens: publicUpgrades(find),
    ask: judge.ask,
    admit(request, response) {
      const target = request.url ?? '';
      const reason = ambiguity(request, target);
      if (reason !== undefined) return deny(request, response, { reason });
      if (find(request.method ?? '', pathOf(target)) !== undefined && !asksForMethod(target)) return true;
      const found = judge.ask(request);
      if (found === undefined) return true;
      if (!(found instanceof Promise)) return deny(request, response, found);
      return found.then((later) => later === undefined || deny(request, response, later));
    },
  });
  return handle;
}
