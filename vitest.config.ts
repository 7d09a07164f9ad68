import { defineConfig } from 'vitest/config';

/** Specs that start processes (nats-server, PostgreSQL, qemu-storage-daemon) carry this ending. */
const integrationSpecs = '{apps,libs,tools}/**/src/**/*.int.spec.ts';
const specs = '{apps,libs,tools}/**/src/**/*.spec.ts';
const built = ['**/node_modules/**', '**/dist/**'];

/** What both projects share: sources instead of builds, and decorators as tsc compiles them. */
const shared = {
  // Each workspace package exports its sources under this condition, so that a spec never runs a stale build.
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  // Nest injects by the types that `design:paramtypes` records.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
};

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: [specs],
          exclude: [...built, integrationSpecs],
          // A unit spec does no I/O: ten seconds is room for a property with many runs on a busy machine.
          testTimeout: 10_000,
          hookTimeout: 10_000,
          restoreMocks: true,
        },
      },
      {
        ...shared,
        test: {
          name: 'integration',
          include: [integrationSpecs],
          exclude: built,
          // Starting a server and copying a volume takes seconds on two shared cores; a minute is a hang.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          restoreMocks: true,
          // One file at a time: each starts several processes, and the machine may have two cores.
          fileParallelism: false,
          // After the unit specs, never beside them.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
