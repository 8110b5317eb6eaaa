#!/usr/bin/env node
// `npm run bench:ui`: the desktop app with a simulated fleet; prints fleet.visible, fleet.hidden and fleet.memory and
// writes them to docs/ui-results.json. TRANCHE_FLEET_HOSTS and TRANCHE_FLEET_WATCH_MS change its size and length.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildAll, checkNode, installPackages, root } from './setup.mjs';

checkNode();
installPackages({ tools: true });
await buildAll();
const runner = join(root, 'node_modules/vitest/vitest.mjs');
const bench = spawnSync(
  process.execPath,
  [runner, 'run', '--project', 'bench', '--disableConsoleIntercept'],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
process.exit(bench.status ?? 1);
