import { recordedVif } from '../../backends/base.ts';
import { failureLine, oneLine } from '../../errors.ts';
import { isAbout, sectionText } from '../../policy/section-name.ts';
import { liveVifs } from '../../state/present-devices.ts';
import type { Finding, Group, Look } from './finding.ts';

/** What an admin has written. */
export const thePolicy: Group = {
  name: 'the policy',
  look: (look) => [...broken(look), ...idle(look)],
};

function broken({ host: { policy } }: Look): Finding[] {
  if (policy.broken === undefined) return [];
  return [
    {
      id: 'policy-broken',
      severity: 'error',
      what: failureLine(policy.broken),
      why: 'no vif can be started and nothing be re-applied; those that run go on as they were loaded',
      fix: 'vif-bridge policy check tells all that is wrong',
    },
  ];
}

/** A name that is misspelt is no mistake that a parser could find. */
function idle({ host }: Look): Finding[] {
  const vifs = liveVifs(host).flatMap(({ record }) => {
    try {
      return [{ ...recordedVif(record), bridge: record.bridge }];
    } catch {
      return [];
    }
  });
  const names = new Set(
    host.policy.sections
      .map(({ of }) => of)
      .filter((of) => !vifs.some((vif) => isAbout(of, vif)))
      .map(sectionText),
  );
  if (vifs.length === 0 || names.size === 0) return [];
  const [first = '', ...others] = names;
  return [
    {
      id: 'policy-about-nobody',
      severity: 'note',
      what: `${oneLine([first, ...others].join(' '), 300)} of the policy: about no vif that runs`,
      why: 'its guest is not there now, or it is called otherwise: names are exact',
      fix: 'xl list has the names of guests; vif-bridge policy show VIF tells what holds for one',
    },
  ];
}
