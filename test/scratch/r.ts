import { writeFileSync } from 'node:fs';
import { baseText } from '../../src/backends/nftables/text.ts';

for (let i = 0; i < 3; i++) {
  const c = process.cpuUsage();
  const x = baseText({ sentinel: 'base/a-b', policy: { unmanaged: 'open' } as never, exempt: [], fresh: true });
  const d = process.cpuUsage(c);
  console.log((d.user + d.system) / 1000, x.length);
  writeFileSync('/tmp/base.nft', x);
}
