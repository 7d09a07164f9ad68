import { EVENT_STREAM, MAX_MESSAGE_BYTES, subjects } from '@flexbso/contracts';
import {
  DiscardPolicy,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { Bus } from '../connection.js';
import { settingDifferences, StreamSettingsError, type StreamSettings } from './settings.js';

/** The stream of facts. Sized for one cell: a week of events of some thousand cards is well below 256 MiB. */
export const eventStreamSettings: StreamSettings = {
  name: EVENT_STREAM,
  subjects: [subjects.allEvents],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.Old,
  max_age: nanos(7 * 24 * 60 * 60 * 1000),
  max_bytes: 256 * 1024 ** 2,
  max_msg_size: MAX_MESSAGE_BYTES,
  // The outbox relay repeats within seconds; two minutes outlast a restart of it.
  duplicate_window: nanos(2 * 60 * 1000),
};

/**
 * Creates a stream, or changes it to these settings, and compares what the server then says with what was asked.
 *
 * @throws StreamSettingsError when they differ: do not start on such a server
 */
export async function ensureStream(bus: Bus, settings: StreamSettings): Promise<StreamInfo> {
  const manager = await managerOf(bus);
  const existing = await infoOrNull(manager, settings.name);
  if (!existing) return checked(settings, await manager.streams.add(settings));
  if (settingDifferences(settings, existing.config).length === 0) return existing;
  return checked(settings, await manager.streams.update(settings.name, settings));
}

/** The event stream as the design has it. Every service calls this at start; whoever is first creates it. */
export function ensureEventStream(bus: Bus): Promise<StreamInfo> {
  return ensureStream(bus, eventStreamSettings);
}

/** Without the library's question for account information: no service may ask it. */
export function managerOf(bus: Bus): Promise<JetStreamManager> {
  return jetstreamManager(bus.connection, { checkAPI: false });
}

async function infoOrNull(manager: JetStreamManager, name: string): Promise<StreamInfo | null> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return null;
    throw error;
  }
}

function checked(settings: StreamSettings, info: StreamInfo): StreamInfo {
  const differences = settingDifferences(settings, info.config);
  if (differences.length > 0) throw new StreamSettingsError(settings.name, differences);
  return info;
}
