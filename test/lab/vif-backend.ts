/** What a guest's configuration says about one vif, and who it is. */
export interface VifConfig {
  readonly domid: number;
  readonly devid?: number;
  /** Lower case with colons, as libxl writes it. */
  readonly mac?: string;
  /** Absolute path of the hotplug script. */
  readonly script: string;
  /** Absent: no key. The empty string is a key with an empty value. */
  readonly ip?: string;
  readonly bridge?: string;
  readonly vifname?: string;
  readonly mtu?: number;
  readonly gatewaydev?: string;
  readonly rate?: string;
  readonly vlan?: string;
  readonly type?: 'vif' | 'vif_ioemu';
  /** Name of the guest, `guest<domid>` unless told. */
  readonly name?: string;
  /** The domain the vif's backend runs in. */
  readonly backendDomid?: number;
  /** Further keys of the backend directory, or other values for those above. */
  readonly extra?: Readonly<Record<string, string>>;
}

/** Absolute path of the backend directory of a vif; XENBUS_PATH is the part from `backend/` on. */
export function backendPath(domid: number, devid = 0, backendDomid = 0): string {
  return `/local/domain/${backendDomid}/backend/vif/${domid}/${devid}`;
}

/** Absolute path of the directory of a vif that belongs to the guest. */
export function frontendPath(domid: number, devid = 0): string {
  return `/local/domain/${domid}/device/vif/${devid}`;
}

/**
 * The xenstore keys that libxl 4.17 writes for one vif: backend directory, frontend directory, and the guest's name.
 * Source: libxl_nic.c:libxl__set_xenstore_nic, libxl_device.c:libxl__device_generic_add.
 *
 * @returns absolute path to value, states as they are before netback has seen the vif
 */
export function vifBackend(vif: VifConfig): Record<string, string> {
  const { domid, devid = 0, backendDomid = 0 } = vif;
  const mac = vif.mac ?? `00:16:3e:00:${hex(domid)}:${hex(devid)}`;
  const backend = backendPath(domid, devid, backendDomid);
  const frontend = frontendPath(domid, devid);
  // The key is written only for another MTU than 1500: mtu=1500 in a configuration cannot be told from none.
  const mtu = vif.mtu === undefined || vif.mtu === 1500 ? undefined : String(vif.mtu);
  return {
    [`/local/domain/${domid}/name`]: vif.name ?? `guest${domid}`,
    ...below(frontend, {
      backend,
      'backend-id': String(backendDomid),
      state: '1',
      handle: String(devid),
      trusted: '1',
      mac,
      mtu,
    }),
    ...below(backend, {
      frontend,
      'frontend-id': String(domid),
      online: '1',
      state: '1',
      script: vif.script,
      vifname: vif.vifname,
      mac,
      ip: vif.ip,
      rate: vif.rate,
      bridge: vif.bridge ?? 'xenbr0',
      gatewaydev: vif.gatewaydev,
      handle: String(devid),
      type: vif.type ?? 'vif',
      'hotplug-status': '',
      mtu,
      vlan: vif.vlan,
      ...vif.extra,
    }),
  };
}

function below(folder: string, keys: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(keys).flatMap(([key, value]): [string, string][] =>
      value === undefined ? [] : [[`${folder}/${key}`, value]],
    ),
  );
}

function hex(byte: number): string {
  return (byte & 255).toString(16).padStart(2, '0');
}
