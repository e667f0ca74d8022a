import assert from 'node:assert/strict';
import type { Dom0 } from './dom0.ts';

/** One thing that `verify --json` tells. */
export interface Drift {
  readonly part: string;
  readonly what: string;
  readonly wished: string | null;
  readonly found: string | null;
  readonly security: boolean;
}
export interface Verified {
  readonly vifs: readonly {
    readonly name: string;
    readonly drift: readonly Drift[];
    readonly trouble: string | null;
  }[];
  readonly shared: readonly Drift[];
  readonly foreign: readonly { readonly what: string }[];
}

/** What `verify` says, of all or of some, and as lines: `vif1.0 port mtu: 1500 -> 1400`. */
export async function verified(
  dom0: Dom0,
  ...names: string[]
): Promise<{ status: number | null; found: Verified; lines: string[] }> {
  const { status, stdout, stderr } = await dom0.admin(['verify', ...names, '--json']);
  assert.notEqual(stdout, '', stderr);
  const found: Verified = JSON.parse(stdout);
  const line = ({ part, what, wished, found: seen }: Drift): string => `${part} ${what}: ${wished} -> ${seen}`;
  return {
    status,
    found,
    lines: [
      ...found.shared.map((one) => `all ${line(one)}`),
      ...found.vifs.flatMap(({ name, drift, trouble }) => [
        ...drift.map((one) => `${name} ${line(one)}`),
        ...(trouble === null ? [] : [`${name} ${trouble}`]),
      ]),
    ],
  };
}
