import { oneLine } from '../../errors.ts';
import { mayBeAnswer } from '../../filter/answers.ts';
import { parseFrame } from '../../filter/frame.ts';
import type { CapturedFrame } from '../../net/capture.ts';
import { explainFrame } from '../explain.ts';
import type { ExplainedVif } from '../explained.ts';

/** A frame that was dropped, or would have been. */
export interface DroppedFrame {
  /** ISO 8601, when it was read. */
  readonly at: string;
  readonly vif: string;
  readonly guest: string | null;
  readonly reason: string;
  /** Nothing is dropped: `mode = observe`. */
  readonly observed: boolean;
  /** The frame in one line. */
  readonly frame: string;
  readonly bytes: number;
}

/** Frames of one port and reason that were dropped and have no line of their own: it was a flood. */
export interface MoreFrames extends Pick<DroppedFrame, 'at' | 'vif' | 'reason'> {
  readonly more: number;
}

/**
 * What becomes of a frame that a port has received; undefined for one that passes, or is none, or of which only the
 * kernel knows, because it may belong to a conversation.
 */
export function droppedFrame(
  subject: ExplainedVif,
  { vif, guest }: { readonly vif: string; readonly guest: string | undefined },
  { bytes, length }: CapturedFrame,
  at: string,
): DroppedFrame | undefined {
  const parsed = parseFrame(bytes);
  if (parsed === undefined) return undefined;
  const { reason, frame, verdict, observed } = explainFrame(subject, 'from-guest', bytes, length);
  if (reason === null || (verdict === 'accept' && !observed)) return undefined;
  if (reason === 'rule' && mayBeAnswer(subject.port, 'from-guest', parsed)) return undefined;
  return { at, vif, guest: guest ?? null, reason, observed, frame, bytes: length };
}

/** One line, for people and for syslog. */
export function droppedLine({ vif, guest, reason, observed, frame }: DroppedFrame): string {
  return oneLine(
    `${vif}${guest === null ? '' : ` (${guest})`} ${observed ? 'would drop' : 'dropped'} ${reason}: ${frame}`,
    300,
  );
}
