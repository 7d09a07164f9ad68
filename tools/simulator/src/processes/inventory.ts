import { heartbeatSchema, ProblemError, registerCardSchema, registerPoolSchema } from '@flexbso/contracts';
import { FencedBucket, Inventory, type InventoryContents, MemoryAgentStore } from '@flexbso/inventory/deciding';
import type { Question, SimBus } from '../bus/sim-bus.js';
import type { Snapshots } from '../bus/snapshots.js';
import type { Chance } from '../time/chance.js';
import type { ServiceLife } from './service-host.js';

export interface InventoryParts {
  readonly chance: Chance;
  readonly bus: SimBus;
  readonly snapshots: Snapshots;
}

/** As by default. */
const SETTINGS = {
  leaseMs: 15_000,
  heartbeatMs: 5_000,
  massSilence: { agents: 2, share: 0.05, holdMs: 60_000 },
  repairMs: 60_000,
};
const BACKOFF_MS = 500;

/** Starts inventory in a process that holds the lease, in the order of the production's start. */
export async function runInventory(
  { process, connection, lease, onTrust }: ServiceLife<InventoryContents>,
  { chance, bus, snapshots }: InventoryParts,
): Promise<void> {
  const permission = { require: () => lease.requireHeld(), confirm: () => lease.confirm() };
  const inventory = new Inventory(
    {
      store: new MemoryAgentStore(connection, { fence: lease.fence, newEventId: () => chance.uuid() }),
      cards: new FencedBucket(snapshots.cards, permission),
      pools: new FencedBucket(snapshots.pools, permission),
      clock: process.clock,
      relay: { wake: () => undefined },
      alarms: { warn: () => undefined, error: () => undefined },
      backoffMs: () => BACKOFF_MS,
    },
    SETTINGS,
  );
  const hearsAgain = (reason: 'bus' | 'lease', isHeard: boolean): void =>
    isHeard ? inventory.hears(reason) : inventory.deaf(reason);
  onTrust((isHeld) => hearsAgain('lease', isHeld));
  bus.whenAway(process, (isAway) => hearsAgain('bus', !isAway));
  await inventory.start();
  bus.serve('inventory', {
    process,
    isServing: () => lease.isHeld,
    answer: (question) => answer(inventory, question),
  });
  inventory.startJudging();
}

function answer({ agents }: Inventory, { sender, verb, payload }: Question): Promise<unknown> {
  if (sender === null) throw new ProblemError({ code: 'not-found', detail: `nobody asks inventory for ${verb}` });
  if (verb === 'heartbeat') return agents.heartbeat(sender, heartbeatSchema.parse(payload));
  return sender.role === 'card'
    ? agents.registerCard(sender.id, registerCardSchema.parse(payload))
    : agents.registerPool(sender.id, registerPoolSchema.parse(payload));
}
