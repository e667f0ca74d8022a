import type { GuestNetwork } from './guest-network.ts';
import { EVERYWHERE, usedNics } from './lines.ts';
import { nicLines } from './netplan.ts';

/**
 * cloud-init's network configuration, version 2: the words of netplan, but for `default`, which 22.4 (Debian 12) does
 * not take where it writes files itself.
 *
 * @see https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v2.html
 */
export function cloudInitText(network: GuestNetwork): string {
  return [
    '# network-config (NoCloud), or a file of /etc/cloud/cloud.cfg.d',
    '# For guests with netplan: what cloud-init writes for ifupdown itself has neither on-link nor rules.',
    'network:',
    '  version: 2',
    '  ethernets:',
    ...usedNics(network).flatMap((nic) => nicLines(nic, (family) => `"${EVERYWHERE[family]}"`)),
  ]
    .map((line) => `${line}\n`)
    .join('');
}
