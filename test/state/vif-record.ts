import type { VifRecord } from '../../src/state/records.ts';

/** What a run has saved of a vif with nothing special. */
export function vifRecord(more: Partial<VifRecord> = {}): VifRecord {
  return {
    schema: 1,
    bootId: 'boot',
    device: 'vif1.0',
    name: 'vif1.0',
    type: 'vif',
    bridge: 'br0',
    values: {},
    xenbus: undefined,
    mode: 'addresses',
    subnetBroadcasts: [],
    shared: false,
    ingress: false,
    ifindex: 7,
    loaded: [],
    ticket: 1,
    since: '2026-01-01T00:00:00.000Z',
    ...more,
  };
}
