import { bundleScript } from './bundle-cache.ts';

// dist/start.cjs: the program for Node, faster than by dist/vif-bridge.cjs itself, which needs nothing beside it.
process.exitCode = 1;
bundleScript(`${__dirname}/vif-bridge.cjs`).start(require);
