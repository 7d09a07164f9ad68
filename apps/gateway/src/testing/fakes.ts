import { type Problem, ProblemError, rpc, type RpcService, subjects } from '@flexbso/contracts';
import { type Bus, NatsRpcServer, Rpc } from '@flexbso/messaging';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { z } from 'zod';
import {
  backupExample,
  divergenceExample,
  restoredExample,
  settledExample,
  cancelledChangeExample,
  cardExample,
  changeExample,
  eventExample,
  pausesExample,
  planExample,
  poolExample,
  snapshotExample,
  traceExample,
  volumeExample,
} from '../openapi/examples.js';

type Payload = Readonly<Record<string, unknown>>;

/**
 * Inventory, scheduler and telemetry as the gateway meets them: on the real bus, behind the real schemas, answering
 * from a script. A test reads what they were asked, and says what they refuse or answer.
 */
export class Script {
  readonly asked: { readonly verb: string; readonly payload: Payload }[] = [];
  /** By verb: thrown as the real service would. */
  readonly refusals = new Map<string, Problem>();
  /** By verb: answered instead of the example. */
  readonly answers = new Map<string, unknown>();

  answer(verb: string, payload: Payload): unknown {
    this.asked.push({ verb, payload });
    const refusal = this.refusals.get(verb);
    if (refusal !== undefined) throw new ProblemError(refusal);
    return this.answers.has(verb) ? this.answers.get(verb) : examples[verb];
  }

  get last(): { readonly verb: string; readonly payload: Payload } | undefined {
    return this.asked.at(-1);
  }

  reset(): void {
    this.asked.length = 0;
    this.refusals.clear();
    this.answers.clear();
  }
}

const pageOf = (item: unknown) => ({ items: [item], nextPageToken: null });
const accepted = { volume: volumeExample, change: changeExample };
const examples: Readonly<Record<string, unknown>> = {
  'list-cards': pageOf(cardExample),
  'get-card': cardExample,
  'cordon-card': cardExample,
  'release-card': cardExample,
  'list-pools': pageOf(poolExample),
  'get-pool': poolExample,
  'cordon-pool': poolExample,
  'release-pool': poolExample,
  'list-volumes': pageOf(volumeExample),
  'get-volume': volumeExample,
  'create-volume': accepted,
  'change-volume': accepted,
  'delete-volume': accepted,
  'failover-volume': accepted,
  'plan-create': planExample,
  'plan-change': planExample,
  'plan-delete': planExample,
  'plan-failover': planExample,
  'list-snapshots': pageOf(snapshotExample),
  'get-snapshot': snapshotExample,
  'list-changes': pageOf(changeExample),
  'get-change': changeExample,
  'cancel-change': cancelledChangeExample,
  pause: pausesExample,
  resume: { items: [] },
  'list-pauses': pausesExample,
  'list-events': pageOf(eventExample),
  'get-trace': traceExample,
  'measured-legs': { legs: [] },
  'create-backup': backupExample,
  'list-backups': { items: [backupExample] },
  'restore-backup': restoredExample,
  'list-differences': divergenceExample,
  adopt: settledExample,
  'delete-diverged': settledExample,
};

/** Connections of the services that a fake stands for: each as itself, so that the permissions are the real ones. */
export type FakeBuses = Readonly<Record<'inventory' | 'scheduler' | 'telemetry', Bus>>;

export async function startFakes(buses: FakeBuses, script: Script): Promise<{ stop(): Promise<void> }> {
  const apps = await Promise.all(
    (['inventory', 'scheduler', 'telemetry'] as const).map(async (service) => {
      const strategy = new NatsRpcServer({ bus: buses[service] });
      const root = moduleOf(service, script);
      const app = await NestFactory.createMicroservice<MicroserviceOptions>(root, { strategy, logger: false });
      await app.listen();
      return app;
    }),
  );
  return {
    stop: async () => {
      for (const app of apps) await app.close();
    },
  };
}

/** A module whose controller has a handler for each verb that the contracts give the service. */
function moduleOf(service: RpcService, script: Script) {
  class Fake {}
  const verbs: [string, { readonly request: z.ZodType }][] = Object.entries(rpc[service]);
  for (const [verb, { request }] of verbs) {
    const value = (payload: Payload) => script.answer(verb, payload);
    const descriptor: PropertyDescriptor = { value, configurable: true, writable: true };
    Object.defineProperty(Fake.prototype, verb, descriptor);
    Rpc(subjects.rpc(service, verb), request)(Fake.prototype, verb, descriptor);
  }
  Controller()(Fake);
  class Root {}
  Module({ controllers: [Fake] })(Root);
  return Root;
}
