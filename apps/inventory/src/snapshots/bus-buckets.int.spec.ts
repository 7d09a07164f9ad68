import { type Bus, connectBus, type Principal, snapshotBucket } from '@flexbso/messaging';
import { startNats, type TestNats } from '@flexbso/testkit';
import { afterAll, beforeAll } from 'vitest';
import { z } from 'zod';
import { describeFencedBucket, type State } from '../testing/fenced-bucket-suite.js';
import { BusBucket } from './bus-buckets.js';

const inventory: Principal = { kind: 'service', name: 'inventory' };
const schema = z.strictObject({ state: z.string() });

let nats: TestNats;
let bus: Bus;
let bucket: BusBucket<State>;

beforeAll(async () => {
  nats = await startNats({ principals: [inventory] });
  bus = await connectBus({
    servers: nats.url,
    principal: inventory,
    credentials: { seedFile: nats.seedFile(inventory) },
  });
  bucket = new BusBucket(await snapshotBucket(bus, 'cards', schema));
});
afterAll(async () => {
  await bus.close();
  await nats.stop();
});

describeFencedBucket('on the bus', () => bucket);
