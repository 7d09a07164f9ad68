#!/usr/bin/env node
// A file of its own, so that npm can link it before anything is built.
const { run } = await import('../dist/main.js').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  process.stderr.write('flexbso is not built yet: run npm run build\n');
  process.exit(1);
});
process.exitCode = await run(process.argv.slice(2));
