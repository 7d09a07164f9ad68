import { bigintColumn } from '@flexbso/persistence';
import { Column, Entity } from 'typeorm';

/** How many creations of volumes of a name are no longer among the changes: ids of volumes count them, and never come again. */
@Entity('pruned_creation')
export class PrunedCreationRow {
  @Column({ type: 'text', primary: true })
  tenantId!: string;

  @Column({ type: 'text', primary: true })
  name!: string;

  @bigintColumn()
  creations!: number;
}
