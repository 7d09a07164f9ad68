import {
  type BsoEvent,
  type CardSnapshot,
  cardSnapshotSchema,
  type Change,
  changeSchema,
  eventSchema,
  type PoolSnapshot,
  poolSnapshotSchema,
  type Volume,
  volumeSchema,
} from '@flexbso/contracts';
import type { Command } from 'commander';
import type { z } from 'zod';
import type { ApiClient } from '../client/api-client.js';
import { type Column, table } from '../print/table.js';
import { labelsText, qosText, stackText, timeText } from '../print/words.js';
import { formatSize } from '../units/size.js';
import { agentId, changeId, type ContextOf, selectorOption, volumeId, volumeName, wholeNumber } from './context.js';
import { findPauses, pauseOf } from './pause.js';

const cardColumns: Column<CardSnapshot>[] = [
  { title: 'card', value: (card) => card.cardId },
  { title: 'state', value: (card) => card.state },
  { title: 'cordoned', value: (card) => (card.cordoned ? 'yes' : 'no') },
  { title: 'host', value: (card) => card.hostId },
  { title: 'rack', value: (card) => card.failureDomain.rack },
  { title: 'data plane', value: ({ dataPlane }) => `${dataPlane.name} ${dataPlane.version}` },
  { title: 'functions', value: (card) => card.functions.length, align: 'right' },
  { title: 'labels', value: (card) => labelsText(card.labels) },
];
const poolColumns: Column<PoolSnapshot>[] = [
  { title: 'pool', value: (pool) => pool.poolId },
  { title: 'state', value: (pool) => pool.state },
  { title: 'cordoned', value: (pool) => (pool.cordoned ? 'yes' : 'no') },
  { title: 'host', value: (pool) => pool.hostId },
  { title: 'rack', value: (pool) => pool.failureDomain.rack },
  { title: 'reach', value: (pool) => pool.reach },
  { title: 'capacity', value: (pool) => formatSize(pool.budget.capacityBytes), align: 'right' },
  { title: 'labels', value: (pool) => labelsText(pool.labels) },
];
const volumeColumns: Column<Volume>[] = [
  { title: 'name', value: (volume) => volume.name },
  { title: 'volume', value: (volume) => volume.volumeId },
  { title: 'state', value: (volume) => volume.state },
  { title: 'size', value: (volume) => formatSize(volume.sizeBytes), align: 'right' },
  { title: 'stack', value: (volume) => stackText(volume.stack.layers) },
  { title: 'qos', value: (volume) => qosText(volume.qos) },
  { title: 'card', value: (volume) => volume.cardId },
  { title: 'pools', value: ({ legs }) => [...new Set(legs.map((leg) => leg.poolId))].join(',') },
  { title: 'generation', value: (volume) => volume.generation, align: 'right' },
];
const changeColumns: Column<Change>[] = [
  { title: 'change', value: (change) => change.changeId },
  { title: 'volume', value: (change) => change.volumeId },
  { title: 'kind', value: (change) => change.kind },
  { title: 'differs', value: (change) => change.differences.join(',') },
  { title: 'state', value: (change) => change.state },
  { title: 'waits for', value: (change) => change.waitingFor },
  { title: 'overdue since', value: ({ overdue }) => timeText(overdue?.sinceMs ?? null) },
  { title: 'by', value: (change) => change.requestedBy },
  { title: 'asked at', value: (change) => timeText(change.createdAtMs) },
];
export const eventColumns: Column<BsoEvent>[] = [
  { title: 'at', value: (event) => timeText(event.atMs) },
  { title: 'kind', value: (event) => event.kind },
  { title: 'id', value: (event) => event.id },
  { title: 'what', value: (event) => event.what },
  { title: 'by', value: (event) => event.by },
  { title: 'data', value: (event) => JSON.stringify(event.data) },
];

/** Whether a card's changes are paused is the scheduler's to say; the rest of the list is worth as much without it. */
async function cardColumnsWithPauses(client: ApiClient): Promise<Column<CardSnapshot>[]> {
  const pauses = await findPauses(client);
  const valueOf = ({ cardId }: CardSnapshot) => {
    if (pauses === null) return 'unknown';
    const pause = pauseOf(pauses, cardId);
    return pause ? `by ${pause.by}` : 'no';
  };
  return [...cardColumns.slice(0, 3), { title: 'paused', value: valueOf }, ...cardColumns.slice(3)];
}

/** One kind of thing that can be listed. */
interface Listing<Item> {
  readonly noun: string;
  readonly path: string;
  readonly schema: z.ZodType<Item>;
  readonly columns: readonly Column<Item>[] | ((client: ApiClient) => Promise<readonly Column<Item>[]>);
  readonly parseName: (text: string) => string;
}

interface GetOptions {
  readonly labels?: string;
  readonly volume?: string;
  readonly kind?: string;
  readonly limit: number;
}

/** Above what a person reads; scripts say what they want. */
const defaultLimit = 1_000;

/** `flexbso get cards|pools|volumes|changes|events [NAME]` */
export function getCommand(program: Command, contextOf: ContextOf): void {
  const get = program.command('get').description('list what there is, or show one in a line');
  const labelled = [
    listing(get, contextOf, {
      noun: 'cards',
      path: '/v1/cards',
      schema: cardSnapshotSchema,
      columns: cardColumnsWithPauses,
      parseName: agentId,
    }),
    listing(get, contextOf, {
      noun: 'pools',
      path: '/v1/pools',
      schema: poolSnapshotSchema,
      columns: poolColumns,
      parseName: agentId,
    }),
    listing(get, contextOf, {
      noun: 'volumes',
      path: '/v1/volumes',
      schema: volumeSchema,
      columns: volumeColumns,
      parseName: volumeName,
    }),
  ];
  for (const command of labelled)
    command.option('-l, --labels <selector>', 'only with these labels: key=value,key=value', selectorOption);
  listing(get, contextOf, {
    noun: 'changes',
    path: '/v1/changes',
    schema: changeSchema,
    columns: changeColumns,
    parseName: changeId,
  }).option('--volume <id>', 'only changes of this volume (its id)', volumeId);
  eventsCommand(get, contextOf);
}

function listing<Item>(get: Command, contextOf: ContextOf, what: Listing<Item>): Command {
  const { noun, path, schema, columns, parseName } = what;
  return get
    .command(noun)
    .argument('[name]', 'only this one', parseName)
    .option('--limit <count>', 'at most this many', wholeNumber, defaultLimit)
    .action(async (name: string | undefined, options: GetOptions, command: Command) => {
      const { client, output } = contextOf(command);
      const query = { labels: options.labels, volumeId: options.volume };
      const items =
        name === undefined
          ? await client.list(path, schema, query, options.limit)
          : [await client.get(`${path}/${name}`, schema)];
      if (output.format === 'json') return output.line(JSON.stringify(name === undefined ? items : items[0], null, 2));
      if (items.length === 0) return output.note(`no ${noun}`);
      const shown = typeof columns === 'function' ? await columns(client) : columns;
      for (const line of table(shown, items, output.styled)) output.line(line);
    });
}

function eventsCommand(get: Command, contextOf: ContextOf): void {
  get
    .command('events')
    .description('the audit trail')
    .argument('[id]', 'only of this card, pool, volume or change')
    .option('--kind <kind>', 'only of cards, pools, volumes, changes or services: card, pool, volume, change, service')
    .option('--limit <count>', 'at most this many', wholeNumber, defaultLimit)
    .action(async (id: string | undefined, options: GetOptions, command: Command) => {
      const { client, output } = contextOf(command);
      const events = await client.list('/v1/audit', eventSchema, { id, kind: options.kind }, options.limit);
      if (output.format === 'json') return output.line(JSON.stringify(events, null, 2));
      if (events.length === 0) return output.note('no events');
      for (const line of table(eventColumns, events, output.styled)) output.line(line);
    });
}
