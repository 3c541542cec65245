// Docker trial: does a Docker engine start on this machine at all? Prints why not; exit code 77 then.
import { startDocker } from './docker.ts';
import { createNetwork } from './network.ts';

const network = await createNetwork();
try {
  const docker = await startDocker(network.server);
  await docker.destroy();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 77;
} finally {
  await network.destroy();
}
