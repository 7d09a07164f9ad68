import { instantColumn } from '@flexbso/persistence';
import { Column, Entity } from 'typeorm';

/** What is paused. Not in a backup: a restore leaves paused what is paused now, and resumes nothing. */
@Entity('pause')
export class PauseRow {
  /** A card's id; empty: the fleet. */
  @Column({ type: 'text', primary: true })
  scope!: string;

  @Column('text')
  by!: string;

  @instantColumn()
  sinceMs!: number;
}
