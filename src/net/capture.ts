import { Failure } from '../errors.ts';

/** One frame of a capture. */
export interface CapturedFrame {
  readonly bytes: Uint8Array;
  /** How long it was on the wire; more than its bytes where it was cut off (`tcpdump -s`). */
  readonly length: number;
}

/** Reads a capture while it is written. */
export interface CaptureReader {
  /**
   * Takes what comes next. @returns the frames that are whole by now
   *
   * @throws Failure `input` for what is no capture, or none of Ethernet
   */
  read(chunk: Uint8Array): CapturedFrame[];
  /**
   * There is no more. @returns what is wrong with the end, in words; undefined for a whole file
   *
   * @throws Failure `input` for what is no capture
   */
  end(): string | undefined;
}

/** LINKTYPE_ETHERNET (https://www.tcpdump.org/linktypes.html). */
const ETHERNET = 1;
/** More than any frame has, a coalesced one included: what says so is no length (tcpdump's MAXIMUM_SNAPLEN). */
const MOST_BYTES = 262_144;
const HINT = 'tcpdump -w FILE, or tcpdump -U -w - | vif-bridge explain VIF --pcap -';

/** What stands at the beginning of the bytes that are there. */
type Piece =
  /** Not all of it is there. */
  | { readonly is: 'begun' }
  | { readonly is: 'nonsense'; readonly length: number }
  | { readonly is: 'done'; readonly bytes: number; readonly frame?: CapturedFrame };
type Pieces = (view: DataView) => Piece;

const BEGUN: Piece = { is: 'begun' };

/**
 * Reads what tcpdump and wireshark write: classic pcap with micro- or nanoseconds, and pcapng, in both byte orders.
 * What ends too early has the frames before its end.
 *
 * @param at where it is from, for errors
 */
export function captureReader(at: string): CaptureReader {
  let rest = new Uint8Array(0);
  let begun = false;
  let frames = 0;
  let next: Pieces | undefined;
  let trouble: string | undefined;
  const take = (): CapturedFrame | 'none' | undefined => {
    const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength);
    if (next === undefined) {
      if (rest.length < 4) return undefined;
      next = formatOf(view, at);
    }
    if (rest.length === 0) return undefined;
    const piece = next(view);
    if (piece.is === 'begun') return undefined;
    if (piece.is === 'nonsense') {
      trouble = `what should be frame ${frames + 1} says a length of ${piece.length}: the rest is not read`;
      return undefined;
    }
    rest = rest.subarray(piece.bytes);
    if (piece.frame !== undefined) frames += 1;
    return piece.frame ?? 'none';
  };
  return {
    read(chunk) {
      const found: CapturedFrame[] = [];
      if (trouble !== undefined || chunk.length === 0) return found;
      begun = true;
      rest = joined(rest, chunk);
      for (let one = take(); one !== undefined; one = take()) if (one !== 'none') found.push(one);
      return found;
    },
    end() {
      if (!begun) throw new Failure('input', 'it is empty', { at, hint: HINT });
      if (next === undefined) throw noCapture(at);
      if (trouble !== undefined || rest.length === 0) return trouble;
      return `it ends within what should be frame ${frames + 1}: it was cut off, or is still being written`;
    },
  };
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

function noCapture(at: string): Failure {
  return new Failure('input', 'this is neither pcap nor pcapng', { at, hint: HINT });
}

function notEthernet(type: number, at: string): Failure {
  return new Failure('input', `its frames are not of Ethernet (link type ${type})`, {
    at,
    hint: 'capture at the vif itself (tcpdump -i vif1.0), not with -i any',
  });
}

function formatOf(view: DataView, at: string): Pieces {
  if (view.getUint32(0) === SECTION) return pcapng(at);
  const little = [true, false].find((order) => CLASSIC.includes(view.getUint32(0, order)));
  if (little === undefined) throw noCapture(at);
  return classic(little, at);
}

/** Micro- and nanoseconds (draft-ietf-opsawg-pcap, section 4). */
const CLASSIC: readonly number[] = [0xa1b2c3d4, 0xa1b23c4d];

function classic(little: boolean, at: string): Pieces {
  /** Bytes of a checksum behind each frame; undefined before the header of the file was read. */
  let behind: number | undefined;
  return (view) => {
    if (behind === undefined) {
      if (view.byteLength < 24) return BEGUN;
      const network = view.getUint32(20, little);
      if ((network & 0xffff) !== ETHERNET) throw notEthernet(network & 0xffff, at);
      behind = (network & 0x04000000) === 0 ? 0 : (network >>> 28) * 2;
      return { is: 'done', bytes: 24 };
    }
    if (view.byteLength < 16) return BEGUN;
    const captured = view.getUint32(8, little);
    if (captured > MOST_BYTES) return { is: 'nonsense', length: captured };
    if (view.byteLength < 16 + captured) return BEGUN;
    const frame = frameOf(bytesOf(view, 16, captured), view.getUint32(12, little), behind);
    return { is: 'done', bytes: 16 + captured, frame };
  };
}

/** Types of blocks (draft-ietf-opsawg-pcapng, section 11.1). */
const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const OLD_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
/** Names, statistics and comments are no longer. */
const MOST_BLOCK = MOST_BYTES + 2 ** 20;

interface Interface {
  readonly type: number;
  /** The most it captures of a frame; 0: all. */
  readonly most: number;
  /** Bytes of a checksum behind each frame: option if_fcslen. */
  readonly behind: number;
}

function pcapng(at: string): Pieces {
  let little = true;
  let interfaces: Interface[] = [];
  return (view) => {
    if (view.byteLength < 12) return BEGUN;
    if (view.getUint32(0) === SECTION) {
      little = view.getUint32(8, true) === BYTE_ORDER;
      if (!little && view.getUint32(8) !== BYTE_ORDER) throw noCapture(at);
      interfaces = [];
    }
    const length = view.getUint32(4, little);
    const nonsense: Piece = { is: 'nonsense', length };
    if (length < 12 || length % 4 !== 0 || length > MOST_BLOCK) return nonsense;
    if (view.byteLength < length) return BEGUN;
    const type = view.getUint32(0, little);
    const body = new DataView(view.buffer, view.byteOffset + 8, length - 12);
    if (type === INTERFACE) interfaces.push(interfaceOf(body, little));
    if (type !== ENHANCED_PACKET && type !== SIMPLE_PACKET && type !== OLD_PACKET) return { is: 'done', bytes: length };
    const found = packetOf(type, body, little, interfaces);
    if (found === undefined) return nonsense;
    if (found.of.type !== ETHERNET) throw notEthernet(found.of.type, at);
    return { is: 'done', bytes: length, frame: found.frame };
  };
}

function interfaceOf(body: DataView, little: boolean): Interface {
  if (body.byteLength < 8) return { type: -1, most: 0, behind: 0 };
  let behind = 0;
  for (let from = 8; from + 4 <= body.byteLength; ) {
    const code = body.getUint16(from, little);
    const length = body.getUint16(from + 2, little);
    if (code === 0) break;
    if (code === IF_FCSLEN && length === 1 && from + 5 <= body.byteLength) behind = body.getUint8(from + 4);
    from += 4 + length + ((4 - (length % 4)) % 4);
  }
  return { type: body.getUint16(0, little), most: body.getUint32(4, little), behind };
}

const IF_FCSLEN = 13;

/** The frame of a block; undefined where the block says of itself what cannot be. */
function packetOf(
  type: number,
  body: DataView,
  little: boolean,
  interfaces: readonly Interface[],
): { readonly of: Interface; readonly frame: CapturedFrame } | undefined {
  const simple = type === SIMPLE_PACKET;
  const head = simple ? 4 : 20;
  if (body.byteLength < head) return undefined;
  const of = interfaces[simple ? 0 : type === OLD_PACKET ? body.getUint16(0, little) : body.getUint32(0, little)];
  if (of === undefined) return undefined;
  const length = body.getUint32(simple ? 0 : 16, little);
  const captured = simple ? Math.min(length, of.most === 0 ? length : of.most) : body.getUint32(12, little);
  if (captured > body.byteLength - head) return undefined;
  return { of, frame: frameOf(bytesOf(body, head, captured), length, of.behind) };
}

function frameOf(bytes: Uint8Array, length: number, behind: number): CapturedFrame {
  const hasSum = behind > 0 && bytes.length >= length && bytes.length > behind;
  return hasSum ? { bytes: bytes.subarray(0, bytes.length - behind), length: length - behind } : { bytes, length };
}

function bytesOf(view: DataView, from: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + from, length);
}
