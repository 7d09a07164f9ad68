import { Column, Entity } from 'typeorm';
import { bigintTransformer, instantColumn, jsonColumn } from '../columns.js';

/** A message that was committed and is not known to be published. */
@Entity('outbox')
export class OutboxRow {
  /** The order of publishing. A transaction that starts after another has committed always gets larger ones. */
  @Column({ type: 'bigint', primary: true, generated: 'increment', transformer: bigintTransformer })
  sequence!: number;

  /** Stays the same however often it is published: what receivers and the stream drop duplicates by. */
  @Column('text')
  messageId!: string;

  @Column('text')
  subject!: string;

  @jsonColumn()
  payload!: object;

  @jsonColumn()
  headers!: Record<string, string>;

  @instantColumn()
  createdAtMs!: number;
}
