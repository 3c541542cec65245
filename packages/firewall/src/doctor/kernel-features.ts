// What the kernel or nft cannot do although rules of moat ask for it.
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

export function kernelFeatures({ machine, snapshot }: Facts): Finding[] {
  // Where nft is refused everything fails.
  if (machine === undefined || machine.nft.kind !== 'works') return [];
  return (machine.missingFeatures ?? []).map(({ name, module, for: whom, why }) => {
    const modules = module.split(', ').map((each) => each.split(' ')[0]);
    return {
      id: 'kernel-feature',
      severity: whom === 'everything' ? 'high' : 'medium',
      what: `the kernel does not take ${name}: ${why}`,
      why: whom === 'everything' ? 'no rules of moat load' : `${whom} cannot be loaded`,
      mend: [
        `modprobe -a ${modules.join(' ')}`,
        `apt install linux-modules-extra-${snapshot?.kernel ?? '$(uname -r)'}  # or a kernel with ${module}`,
      ],
    };
  });
}
