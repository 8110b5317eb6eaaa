#!/usr/bin/env node
// `npm run bench:ui [-- PART …]`: the figures of the desktop app, as a table and in docs/ui-results.json. Parts:
//   start      from a start to the list of hosts, in Electron and served to a browser
//   clicks     from a new host to its first slice
//   latency    from a sample on a host to the screen
//   hands      scrolling, dragging, filtering, searching with a simulated fleet of 32 hosts
//   reconnect  from the network's return to live, with the history whole
//   fleet      CPU and memory with that fleet. TRANCHE_FLEET_WATCH_MS: how long it is watched, five minutes by default
// Without an argument all of them, in under ten minutes. On a quiet machine, if the figures are to be kept.
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
    env: { ...process.env, TRANCHE_BENCH_PARTS: process.argv.slice(2).join(' ') },
  },
);
process.exit(bench.status ?? 1);
