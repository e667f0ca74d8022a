import { runProgram } from './program.ts';

// dist/hotplug.cjs: what Xen runs, and nothing of what people run, for dist/start.cjs.
runProgram(() => Promise.reject(new Error('dist/hotplug.cjs knows only what Xen runs: dist/vif-bridge.cjs has all')));
