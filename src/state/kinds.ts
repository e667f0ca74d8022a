import type { State } from './state.ts';

/**
 * The state as the rules of ports of bridges see it, and as those of routed vifs do: each has its own vifs and its own
 * base. A record that cannot be read may be of either.
 */
export function bridgedState(state: State): State {
  return {
    ...state,
    allVifs: () => state.allVifs().filter(({ routed }) => routed === undefined),
    readVif(device) {
      const record = state.readVif(device);
      return record?.routed === undefined ? record : undefined;
    },
  };
}

/** The addresses that DHCP gave are those of ports of bridges. */
export function routedState(state: State): State {
  return {
    ...state,
    allVifs: () => state.allVifs().filter(({ routed }) => routed !== undefined),
    readVif(device) {
      const record = state.readVif(device);
      return record?.routed === undefined ? undefined : record;
    },
    readBase: state.readRoutedBase,
    writeBase: state.writeRoutedBase,
    readLearned: () => [],
    writeLearned: () => undefined,
  };
}
