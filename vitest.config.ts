import { defineConfig } from 'vitest/config';

/** Specs that start processes (nats-server, PostgreSQL, qemu-storage-daemon) carry this ending. */
const integrationSpecs = '{apps,libs,tools}/**/src/**/*.int.spec.ts';
/** Those of them that start a whole system or a guest, some twenty processes, or that put as much load on. */
const systemSpecs = ['tools/src/**/*.int.spec.ts', '**/src/**/*-under-load.int.spec.ts'];
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

/** Starting a server and copying a volume takes seconds on two shared cores; a minute is a hang. */
const unhurried = { testTimeout: 60_000, hookTimeout: 60_000, restoreMocks: true };

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
          exclude: [...built, ...systemSpecs],
          ...unhurried,
          // Each starts a few processes and waits for them most of the time: on two cores two files do not hinder each other.
          maxWorkers: 2,
          // After the unit specs, never beside them.
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...shared,
        test: {
          name: 'system',
          include: systemSpecs,
          exclude: built,
          ...unhurried,
          // One file at a time: each has the machine to itself, for what a client feels is looked at.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
