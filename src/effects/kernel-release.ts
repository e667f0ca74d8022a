import { release } from 'node:os';
import { once } from '../once.ts';

const running = once(() => release().split('.').map(Number));

/** True for a running kernel of that release or a later one: for what a kernel does not say by refusing it. */
export function kernelHas(major: number, minor: number): boolean {
  const [ours = 0, then = 0] = running();
  return ours > major || (ours === major && then >= minor);
}
