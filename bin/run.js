#!/usr/bin/env node
import { existsSync } from 'node:fs';
import module from 'node:module';

const entry = new URL('../dist/cli/run.js', import.meta.url);

if (existsSync(entry)) {
  module.enableCompileCache?.(); // Node 22.1 and later: saves a tenth of every start
  await import(entry.href);
} else {
  console.error('infer is not built yet: run "npm run setup" in its folder first');
  process.exitCode = 78;
}
