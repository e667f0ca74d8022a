import { parseGuestConfig } from '../../xen/guest-config.ts';
import type { Finding, Group } from './finding.ts';

const FILE = '/etc/xen/xl.conf';
const SCRIPTS = '/etc/xen/scripts';

/** Which script xl starts guests with that name none themselves. */
export const xlConf: Group = {
  name: FILE,
  look({ read, host }) {
    const text = read(FILE);
    if (text === undefined) return [];
    const config = parseGuestConfig(text);
    const given = config.get('vif.default.script') ?? config.get('vifscript');
    const script = typeof given === 'string' && given !== '' ? given : 'vif-bridge';
    const path = script.startsWith('/') ? script : `${SCRIPTS}/${script}`;
    if (read(path) === undefined) return [missing(path)];
    return host.isOwnScript(path) ? [] : [another(path, given !== undefined)];
  },
};

const FIX = `vif.default.script="/opt/xen-vif-bridge/xen-scripts/vif-bridge" in ${FILE}`;

function missing(path: string): Finding {
  return {
    id: 'script-missing',
    severity: 'error',
    what: `xl runs ${path} for guests that name no script, and there is no such file`,
    why: 'these guests cannot be started',
    fix: FIX,
  };
}

function another(path: string, said: boolean): Finding {
  return {
    id: 'another-script',
    severity: 'warning',
    what: `xl runs ${path} for guests that name no script${said ? '' : `: ${FILE} names none`}`,
    why: 'guests that are started from now on are filtered only if their own script= says so',
    fix: FIX,
  };
}
