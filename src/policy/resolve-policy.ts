import type { VifIdentity } from '../xen/vif-identity.ts';
import { SECTION_KINDS } from './keys.ts';
import { DEFAULT_VIF_POLICY, type Policy, type Section, type VifPolicy } from './policy.ts';

/**
 * What the policy says of this vif: the defaults of the program, then every section that is about it, the later kinds
 * of sections winning.
 */
export function resolvePolicy(policy: Policy, vif: VifIdentity): VifPolicy {
  let resolved = DEFAULT_VIF_POLICY;
  for (const kind of SECTION_KINDS) {
    const sections = policy.sections.filter((section) => section.kind === kind && isAbout(section, vif));
    for (const { settings } of sections) resolved = { ...resolved, ...settings };
  }
  return resolved;
}

/** A section that names a bridge, a guest, a MAC or a vif will be compared with it here. */
function isAbout(section: Section, _vif: VifIdentity): boolean {
  switch (section.kind) {
    case 'defaults':
      return true;
    default:
      return section.kind satisfies never;
  }
}
