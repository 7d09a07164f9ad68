import type { LegFault, Protocol, SealedSecret } from '@flexbso/contracts';
import { bigintColumn, instantColumn, jsonColumn } from '@flexbso/persistence';
import { Column, Entity } from 'typeorm';
import type { KeyRecord } from '../keys/key-record.js';
import type { VolumeRecord, VolumeState, VolumeWant } from '../volumes/volume-record.js';

@Entity('volume')
export class VolumeRow implements VolumeRecord {
  @Column({ type: 'text', primary: true })
  volumeId!: string;

  @Column('text')
  tenantId!: string;

  @Column('text')
  name!: string;

  @Column('text')
  protocol!: Protocol;

  @Column('text')
  cardId!: string;

  @Column('text')
  functionId!: string;

  @Column('text')
  state!: VolumeState;

  @bigintColumn()
  generation!: number;

  @bigintColumn()
  appliedGeneration!: number;

  @bigintColumn()
  settledGeneration!: number;

  @jsonColumn()
  want!: VolumeWant;

  @Column({ type: 'text', nullable: true })
  uri!: string | null;

  @Column({ type: 'text', nullable: true })
  changeId!: string | null;

  @Column({ type: 'text', nullable: true })
  cardOperationId!: string | null;

  @instantColumn({ nullable: true })
  lastOutageUntilMs!: number | null;

  @jsonColumn()
  formerCards!: VolumeRecord['formerCards'];

  @jsonColumn()
  legFaults!: LegFault[];

  @jsonColumn()
  snapshots!: VolumeRecord['snapshots'];

  @jsonColumn({ nullable: true })
  followUp!: VolumeRecord['followUp'];

  @Column({ type: 'text', nullable: true })
  settledIn!: string | null;

  @instantColumn()
  createdAtMs!: number;
}

@Entity('volume_key')
export class VolumeKeyRow implements KeyRecord {
  @Column({ type: 'text', primary: true })
  keyRef!: string;

  @Column('text')
  volumeId!: string;

  @bigintColumn()
  stackGeneration!: number;

  @Column({ type: 'text', nullable: true })
  wrapped!: string | null;

  @jsonColumn()
  sealed!: SealedSecret;

  @Column('text')
  sealedTo!: string;
}
