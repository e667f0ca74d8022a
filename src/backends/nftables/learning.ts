import { GUEST_PORTS } from '../../net/vif-name.ts';
import type { Policy } from '../../policy/policy.ts';
import { LEARNED_TYPE, LEARNING, NAME, PORT } from './own.ts';

/**
 * Learning what a DHCP server gives, in the kernel: the set `learned` holds ports and addresses. Nothing runs for it.
 *
 * An acknowledgement (RFC 2131 §4.3.1) is known by where things stand in it: op, htype and hlen; the magic cookie
 * (RFC 2132 §2); option 53 as the first one, as every server sends it; yiaddr; chaddr, which must be an own MAC.
 * nft 1.0.6 takes such a key for a set that was declared by another place of 32 bits (measured), and elements only as
 * plain numbers. The time of the lease cannot be the timeout: nft wants a constant.
 *
 * Learned in forward and output, where it can be asked who sent it: never a guest. In postrouting nobody knows the
 * sender any more (`iifgroup` matches nothing there, measured).
 */

const ACK = [
  'ether type 0x0800 udp sport 67 udp dport 68',
  '@th,64,24 0x020106 @th,1952,32 0x63825363 @th,1984,24 0x350105 @th,192,32 != 0x00000000',
].join(' ');
const TO = PORT['to-guest'];
const YIADDR = `${TO} . @th,192,32`;

/**
 * A guest gives its address back (RFC 2131 §4.4.6): it goes at once, and the message passes, because the next question
 * would be whether the address is its own. Who it says it is, and from which address, must be right.
 */
export const RELEASE: readonly string[] = [
  '    # Given back: what was learned ends here (RFC 2131 §4.4.6).',
  `    @th,1984,24 0x350107 ${PORT['from-guest']} . @nh,96,32 @${LEARNING.learned} ` +
    `${PORT['from-guest']} . @th,160,32 @${LEARNING.learned} ` +
    `delete @${LEARNING.learned} { ${PORT['from-guest']} . @th,160,32 } accept`,
];

/**
 * The bytes of the message where clients write the address that they decline (option 50): right behind the type; behind
 * the server (dhclient); behind who they are by MAC (udhcpc, Windows). nft cannot look for it, and kernel 6.1 has no
 * place behind the 255th byte (NFTA_PAYLOAD_OFFSET: ERANGE), so systemd's, behind a DUID, is not seen: a longer field
 * that begins before it can be read, but is no key of 32 bits. Counted from the message itself (`@ih`, kernel 5.16):
 * from the UDP header it would be 8 more.
 */
const DECLINED = [243, 249, 252];

/**
 * It has found that somebody else has the address (RFC 2131 §4.4.4), which ends it here. The message is judged as any
 * other: it comes from 0.0.0.0. Whoever writes an address there that he has not learned ends nothing.
 */
export const DECLINE: readonly string[] = [
  '    # Declined: somebody else has it (RFC 2131 §4.4.4).',
  ...DECLINED.map((byte) => {
    const address = `${PORT['from-guest']} . @ih,${8 * (byte + 2)},32`;
    return (
      `    @th,1984,24 0x350104 @ih,${8 * byte},16 0x3204 ${address} @${LEARNING.learned} ` +
      `delete @${LEARNING.learned} { ${address} }`
    );
  }),
];

/** Whether the policy lets some vif learn: only then the rules of it are there, which cost each frame a hook. */
export function someLearn({ sections = [] }: Partial<Pick<Policy, 'sections'>>): boolean {
  return sections.some(({ settings }) => settings.learn === 'dhcp');
}

/** The set, which is always there, so that whoever leaves need not know. */
export function renderLearnedSet(seconds: number, name: string = LEARNING.learned): string {
  return `  set ${name} { ${LEARNED_TYPE}; size 65535; flags dynamic,timeout; timeout ${seconds}s; }`;
}

/**
 * The chains that learn. One that is renewed, or comes again after it was given back, needs no room for a new one: else
 * a guest whose network is started anew some times a day would get none.
 */
export function renderLearning(seconds: number, ours: (direction: 'from-guest' | 'to-guest') => string): string[] {
  return [
    renderLearnedSet(seconds, LEARNING.counted),
    '  # Learns what a DHCP server gives.',
    '  chain learn/known {',
    `    update @${LEARNING.learned} { ${YIADDR} }`,
    '  }',
    '  chain learn/address {',
    `    ${YIADDR} @${LEARNING.counted} update @${LEARNING.counted} { ${YIADDR} } goto learn/known`,
    `    ${YIADDR} @${LEARNING.learned} update @${LEARNING.counted} { ${YIADDR} } goto learn/known`,
    `    ${TO} @${LEARNING.most} return`,
    `    update @${LEARNING.counted} { ${YIADDR} } goto learn/known`,
    '  }',
    '  chain learn/server {',
    `    ${TO} @${LEARNING.anyServer} goto learn/address`,
    `    ${TO} . @nh,96,32 @${LEARNING.servers} goto learn/address`,
    '  }',
    '  chain learn {',
    `    ${ACK} ${TO} @learns ${TO} . @th,288,48 @own-mac-raw goto learn/server`,
    '  }',
    '  chain forward {',
    '    type filter hook forward priority -200; policy accept;',
    '    # Never from a guest, whoever configured it.',
    `    ${ours('from-guest')} accept`,
    `    ${NAME['from-guest']} ${GUEST_PORTS.nft} accept`,
    `    ${ours('to-guest')} jump learn`,
    '  }',
    '',
  ];
}
