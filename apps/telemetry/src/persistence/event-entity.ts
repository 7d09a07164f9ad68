import { instantColumn, jsonColumn, sequenceColumn } from '@flexbso/persistence';
import { Column, Entity } from 'typeorm';

/** An event as the audit trail keeps it. */
@Entity('events')
export class EventRow {
  /** The order of arrival; tells events of the same millisecond apart. */
  @sequenceColumn()
  sequence!: number;

  /** Unique: an event that is delivered again is there already. */
  @Column('text')
  eventId!: string;

  @Column('text')
  kind!: string;

  /** Of the card, pool, volume or change that it is about. */
  @Column('text')
  id!: string;

  @instantColumn()
  atMs!: number;

  /** The whole event; parsed by its schema when read. */
  @jsonColumn()
  event!: unknown;
}
