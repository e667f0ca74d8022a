/**
 * What of dist is the program, by the form it is run in: packages, installations and hosts of tests have these, all of
 * them, and nothing else that a checkout has there.
 */
export const PROGRAM_FILES = {
  /** The executable with its runtime, and the build that it is of. */
  standalone: ['vif-bridge', 'vif-bridge.build'],
  /** For Node; what Xen runs has a bundle of its own. */
  node: ['start.cjs', 'hotplug.cjs', 'vif-bridge.cjs'],
} as const;

/** Beside those for Node where they were built: only the Node that made them takes them, another goes without. */
export const CODE_CACHES = ['hotplug.cjs.v8', 'vif-bridge.cjs.v8'] as const;
