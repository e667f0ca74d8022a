import { openBenchHost } from './host.ts';

const n = Number(process.argv[2] ?? 1000);
const host = await openBenchHost(n);
const env = host.admin('x', []).env!;
for (const argv of process.argv.slice(3).map((c) => ['bash', '-c', c])) {
  const r = await host.ns.run(argv, { env, timeoutMs: 200000 });
  console.log(argv.slice(2).join(' '), r.status, r.stdout.slice(-1500), r.stderr.slice(-600));
}
await host.remove();
