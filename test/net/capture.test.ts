/** Captures: both formats, both byte orders, in pieces of any size, and what is wrong with them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type CapturedFrame, captureReader } from '../../src/net/capture.ts';
import { pcap, pcapng } from '../lab/pcap.ts';

const FRAMES = ['01'.repeat(60), '02'.repeat(61), 'ff'.repeat(9000)];

function read(
  file: Buffer,
  piece = file.length || 1,
): { frames: string[]; all: CapturedFrame[]; trouble: string | undefined } {
  const reader = captureReader('a file');
  const all: CapturedFrame[] = [];
  for (let at = 0; at < file.length; at += piece) all.push(...reader.read(file.subarray(at, at + piece)));
  return { all, frames: all.map(({ bytes }) => Buffer.from(bytes).toString('hex')), trouble: reader.end() };
}

const FORMATS: Readonly<Record<string, (frames: readonly string[]) => Buffer>> = {
  'pcap, little': (frames) => pcap(frames),
  'pcap, big': (frames) => pcap(frames, { little: false }),
  'pcap, nanoseconds': (frames) => pcap(frames, { nanoseconds: true }),
  'pcap, nanoseconds, big': (frames) => pcap(frames, { nanoseconds: true, little: false }),
  'pcapng, little': (frames) => pcapng(frames),
  'pcapng, big': (frames) => pcapng(frames, { little: false }),
  'pcapng, simple blocks': (frames) => pcapng(frames, { simple: true }),
  'pcapng, two sections of two orders': (frames) =>
    Buffer.concat([pcapng(frames.slice(0, 1)), pcapng(frames.slice(1), { little: false })]),
};

for (const [name, make] of Object.entries(FORMATS)) {
  test(name, () => {
    const file = make(FRAMES);
    for (const piece of [file.length, 4096, 7]) assert.deepEqual(read(file, piece).frames, FRAMES);
    assert.equal(read(file).trouble, undefined);
    assert.deepEqual(read(make([])), { frames: [], all: [], trouble: undefined });
  });

  test(`${name}, cut off: the frames before that are there`, () => {
    const { frames, trouble } = read(make(FRAMES).subarray(0, -1000));
    assert.deepEqual(frames, FRAMES.slice(0, 2));
    assert.match(trouble ?? '', /frame 3: it was cut off/);
  });
}

test('a frame of which not all was kept says how long it was', () => {
  for (const file of [
    pcap(FRAMES, { most: 20 }),
    pcapng(FRAMES, { most: 20 }),
    pcapng(FRAMES, { most: 20, simple: true }),
  ]) {
    assert.deepEqual(
      read(file).all.map(({ bytes, length }) => [bytes.length, length]),
      [
        [20, 60],
        [20, 61],
        [20, 9000],
      ],
    );
  }
});

test('lengths that cannot be end it, with the frames before', () => {
  const file = pcap(FRAMES);
  file.writeUInt32LE(0xffffffff, 24 + 16 + 60 + 8);
  const { frames, trouble } = read(file);
  assert.deepEqual(frames, FRAMES.slice(0, 1));
  assert.match(trouble ?? '', /frame 2 says a length of 4294967295/);
  const blocks = pcapng(FRAMES);
  blocks.writeUInt32LE(13, 28 + 4);
  assert.match(read(blocks).trouble ?? '', /a length of 13/);
});

test('what is no capture of Ethernet is refused', () => {
  assert.throws(() => read(Buffer.alloc(0)), /it is empty/);
  assert.throws(() => read(Buffer.from('abc')), /neither pcap nor pcapng/);
  assert.throws(() => read(Buffer.from('#!/bin/sh\nexit 0\n')), /neither pcap nor pcapng/);
  assert.throws(() => read(pcap(FRAMES, { link: 113 })), /not of Ethernet \(link type 113\)/);
  assert.throws(() => read(pcapng(FRAMES, { link: 276 })), /not of Ethernet \(link type 276\)/);
});
