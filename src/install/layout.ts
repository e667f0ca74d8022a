import { join } from 'node:path';

/** One thing that an installation has besides its own folder. Paths are those that the host sees. */
export type Placed =
  /** A file like one of the program's folder; `rewritten` names the folder as it is installed. */
  | { readonly kind: 'file'; readonly path: string; readonly from: string; readonly rewritten: boolean }
  /** The same, but one that is there stays: an admin writes into it. */
  | { readonly kind: 'kept'; readonly path: string; readonly from: string }
  | { readonly kind: 'link'; readonly path: string; readonly to: string };

/** Where checkouts are said to be, in units. */
export const CHECKOUT = '/opt/xen-vif-bridge';
export const DEFAULT_PREFIX = '/usr/local/lib/xen-vif-bridge';
export const XL_CONF = '/etc/xen/xl.conf';
/** What `script=` and xl.conf name: none of Xen's own names, so nothing of Xen's is overwritten, now or later. */
export const SCRIPT_NAMES: Readonly<Record<string, string>> = {
  'vif-bridge': 'vif-bridge-locked',
  'vif-route': 'vif-route-locked',
};

/**
 * What an installation puts where.
 *
 * @param prefix the folder of the program
 * @param files of the folder it is installed from, relative
 */
export function layout(prefix: string, files: readonly string[]): Placed[] {
  const placed = files.flatMap((from): Placed[] => {
    const [folder, kind, name = ''] = from.split('/');
    if (folder === 'docs' && kind === 'man') return [file(`/usr/local/share/man/man${name.slice(-1)}/${name}`, from)];
    if (folder !== 'xen-scripts') return [];
    if (kind === 'systemd') return [{ ...file(`/etc/systemd/system/${name}`, from), rewritten: true }];
    if (kind === 'completions') {
      const place = COMPLETIONS[name];
      return place === undefined ? [] : [file(`/usr/local/share/${place}`, from)];
    }
    if (from === 'xen-scripts/vif-bridge.ini') return [{ kind: 'kept', path: '/etc/xen/vif-bridge.ini', from }];
    const link = SCRIPT_NAMES[kind ?? ''];
    return link === undefined ? [] : [{ kind: 'link', path: `/etc/xen/scripts/${link}`, to: join(prefix, from) }];
  });
  return [...placed, { kind: 'link', path: '/usr/local/sbin/vif-bridge', to: join(prefix, 'bin/vif-bridge') }];
}

const COMPLETIONS: Readonly<Record<string, string>> = {
  'vif-bridge.bash': 'bash-completion/completions/vif-bridge',
  '_vif-bridge': 'zsh/site-functions/_vif-bridge',
  'vif-bridge.fish': 'fish/vendor_completions.d/vif-bridge.fish',
};

function file(path: string, from: string): Extract<Placed, { kind: 'file' }> {
  return { kind: 'file', path, from, rewritten: false };
}
