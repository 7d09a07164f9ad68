import { EVENT_STREAM } from '@flexbso/contracts';
import {
  AckPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  DeliverPolicy,
  jetstream,
  type Consumer,
  type ConsumerConfig,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { Bus } from '../connection.js';
import { managerOf } from './stream.js';

export interface DurableConsumer {
  /** Kept by the server; the same name goes on where the last process stopped. */
  readonly durable: string;
  readonly filters: readonly string[];
  readonly maxDeliveries: number;
  readonly maxInFlight: number;
  /** Without a sign of life for this long the server delivers again. */
  readonly ackWaitMs: number;
}

/** Creates the durable pull consumer, or changes the existing one to these settings. */
export async function ensureConsumer(bus: Bus, wanted: DurableConsumer): Promise<Consumer> {
  const manager = await managerOf(bus);
  const changeable: Partial<ConsumerConfig> = {
    filter_subjects: [...wanted.filters],
    max_deliver: wanted.maxDeliveries,
    max_ack_pending: wanted.maxInFlight,
    ack_wait: nanos(wanted.ackWaitMs),
  };
  if (await exists(manager, wanted.durable)) {
    await manager.consumers.update(EVENT_STREAM, wanted.durable, changeable);
  } else {
    await manager.consumers.add(EVENT_STREAM, {
      ...changeable,
      durable_name: wanted.durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
    });
  }
  return jetstream(bus.connection).consumers.get(EVENT_STREAM, wanted.durable);
}

async function exists(manager: JetStreamManager, durable: string): Promise<boolean> {
  try {
    await manager.consumers.info(EVENT_STREAM, durable);
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound) return false;
    throw error;
  }
}
