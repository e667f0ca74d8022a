import { join } from 'node:path';
import { ifKnown, unpackPackages } from './debian-packages.ts';
import { PLAIN_ENV, type RunResult, runProgram } from './subprocess.ts';

/** What others read our numbers with, as Debian ships it. */
export interface Prometheus {
  /** promtool, with what it is to read on its standard input. */
  promtool(args: readonly string[], input?: string): Promise<RunResult>;
  /** The strict parser of OpenMetrics of Prometheus' client for Python; status 0 if the text is right. */
  openMetrics(text: string): Promise<RunResult>;
}

const PACKAGES = ['prometheus', 'python3-prometheus-client', 'python3-decorator'];

const PARSE = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(sample.name, sorted(sample.labels.items()), sample.value)
`;

/** @returns a reason in words where the packages are out of reach, printed once */
export async function prometheus(): Promise<Prometheus | string> {
  try {
    const root = await unpackPackages([...PACKAGES, ...(await ifKnown('promtool'))], 'prometheus-and-parser');
    const env = { ...PLAIN_ENV, PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'), PYTHONIOENCODING: 'utf-8' };
    return {
      promtool: (args, input) => runProgram([join(root, 'usr/bin/promtool'), ...args], { input: input ?? '' }),
      openMetrics: (text) => runProgram(['python3', '-c', PARSE], { env, input: text }),
    };
  } catch (error) {
    const why = `needs Debian's package prometheus: ${String(error).slice(0, 200)}`;
    console.log(`skipped: ${why}`);
    return why;
  }
}
