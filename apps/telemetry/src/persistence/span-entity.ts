import { bigintColumn, instantColumn, jsonColumn, sequenceColumn } from '@flexbso/persistence';
import { Column, Entity } from 'typeorm';

/** A span as it is kept. Trace and span id are unique together: an exporter that repeats a batch adds nothing. */
@Entity('spans')
export class SpanRow {
  /** The order of arrival, by which the oldest go. */
  @sequenceColumn()
  sequence!: number;

  @Column('text')
  traceId!: string;

  @Column('text')
  spanId!: string;

  @Column({ type: 'text', nullable: true })
  parentSpanId!: string | null;

  @Column('text')
  service!: string;

  @Column('text')
  name!: string;

  @Column('text')
  kind!: string;

  /** Microseconds since the epoch: nanoseconds are beyond 2^53, milliseconds too coarse for a step. */
  @bigintColumn()
  startUs!: number;

  @bigintColumn()
  endUs!: number;

  @Column({ type: 'text', nullable: true })
  error!: string | null;

  @jsonColumn()
  attributes!: Record<string, string | number | boolean>;

  @instantColumn()
  receivedAtMs!: number;
}
