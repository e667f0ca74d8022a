import type { PortStatus } from '../../src/commands/status.ts';

/** A port on which all is well, as `status` knows it. */
export const WELL: PortStatus = {
  name: 'vif1.0',
  device: 'vif1.0',
  state: 'managed',
  bridge: 'br0',
  up: true,
  link: 'up',
  guest: { domid: 1, name: 'web1' },
  mac: '00:16:3e:00:00:01',
  extraMacs: '',
  addresses: ['192.0.2.10'],
  shared: [],
  routes: [],
  learned: [],
  mode: 'addresses',
  policyMode: 'locked',
  observed: false,
  allow: [],
  until: undefined,
  rules: [],
  conversations: undefined,
  warnings: [],
  notes: [],
  drops: [],
  since: '2026-01-01T00:00:00.000Z',
};
