import { Column, Entity } from 'typeorm';
import { bigintColumn, instantColumn } from '../columns.js';

/** Who alone may do something now. The row stays when nobody does: its token must never be given twice. */
@Entity('service_lease')
export class LeaseRow {
  @Column({ type: 'text', primary: true })
  name!: string;

  /** Host, process and life of the holder, for people. */
  @Column('text')
  holder!: string;

  /** Grows with every holder. */
  @bigintColumn()
  token!: number;

  /** By the database's clock, the one that all who compete share. */
  @instantColumn()
  expiresAtMs!: number;
}
