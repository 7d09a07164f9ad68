import type { LegAccess, LegAddress } from '@flexbso/contracts';
import { bigintColumn, jsonColumn } from '@flexbso/persistence';
import { Column, Entity } from 'typeorm';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';

@Entity('leg')
export class LegRow implements LegRecord {
  @Column({ type: 'text', primary: true })
  legId!: string;

  @Column('text')
  volumeId!: string;

  @Column('text')
  changeId!: string;

  @Column('text')
  poolId!: string;

  @Column('integer')
  position!: number;

  @bigintColumn()
  stackGeneration!: number;

  @bigintColumn()
  sizeBytes!: number;

  @bigintColumn()
  epoch!: number;

  @jsonColumn()
  holder!: LegRecord['holder'];

  @Column('text')
  state!: LegRecord['state'];

  @Column('text')
  role!: LegRecord['role'];

  @Column('text')
  operationId!: string;

  @Column('boolean')
  awaited!: boolean;

  @Column('boolean')
  heldByCard!: boolean;

  @Column('text')
  addressKind!: LegAddress['kind'];

  @jsonColumn({ nullable: true })
  address!: LegAddress | null;

  @jsonColumn({ nullable: true })
  access!: LegAccess;
}

@Entity('reservation')
export class ReservationRow implements ReservationRecord {
  @Column({ type: 'text', primary: true })
  reservationId!: string;

  @Column('text')
  volumeId!: string;

  @Column('text')
  ownerRole!: ReservationRecord['ownerRole'];

  @Column('text')
  ownerId!: string;

  @Column({ type: 'text', nullable: true })
  functionId!: string | null;

  @jsonColumn()
  labels!: ReservationRecord['labels'];

  @bigintColumn()
  iops!: number;

  @bigintColumn()
  bytesPerSecond!: number;

  @bigintColumn()
  memoryBytes!: number;

  @bigintColumn()
  armCentiCores!: number;

  @bigintColumn()
  capacityBytes!: number;
}
