import { runProgram } from './program.ts';

// The whole program: dist/vif-bridge.cjs, and the executable.
runProgram(async () => (await import('./command-line.ts')).runCommandLine);
